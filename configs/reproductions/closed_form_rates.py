"""Rates at which a gradient fades at the zero state, in closed form.

  python -m experiments.reproduce --config=configs/reproductions/closed_form_rates.py \
    --workdir=reproductions/closed_form

Without input and biases the state stays zero and every step has the same Jacobian:
U for a tanh network, I/2 + U_n/4 for a GRU (reset after), and for an LSTM the
eigenvalues sigma(b) + eig(U_g)/4. The lag gain of the full carry is held against them
up to lag 1,000, hidden 64, one draw of each cell. The rate ln rho is looked for in the
plane of the leading eigenvectors: an orthogonal U has many eigenvalues of nearly the
same modulus, and the rms curve, also that of the exact powers, has not yet come within
1e-4 of ln rho at lag 1,000. Nothing is trained. Time: a minute.
Expected: all criteria pass. The page shows beside it how the same cells start on the
adding problem, where the state is not zero and the rates are others.

Published: nothing to compare with; elementary calculus. GRU: its stability bound
rho(I/2 + U/4) < 1 is implied by the bound of Kanai, Fujiwara and Iwamura 2017.
`:tiny` makes the page of shorter sequences; the closed forms stay as they are.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp

from configs.variants import vary
from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  ModelConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.diagnostics import log_gain, rms_gain
from rnn_research.report.reproduction import Finding
from rnn_research.report.study import Study
from rnn_research.study import Arm, Plan
from rnn_research.unroll import Trace

SOURCE = "the Jacobian at the zero state"
HIDDEN, LAGS, NEAR, SEED = 64, 1000, 10, 0
CELLS = {"rnn": "tanh RNN", "gru": "GRU", "lstm": "LSTM"}


class AtRest(NamedTuple):
  """A cell that never leaves the zero state.

  Attributes:
    parameters: as drawn.
    unit: ln gain of one unit vector of the first leaf of the carry, (lags + 1,).
    leading: ln gain in the plane of the leading eigenvectors, (lags + 1,).
    rms: ln gain in any direction, (lags + 1,).
  """

  parameters: dict
  unit: np.ndarray
  leading: np.ndarray
  rms: np.ndarray


def get_plan(variant: str = "") -> Plan:
  arms = []
  for cell, label in CELLS.items():
    config = Config(
      model=ModelConfig(cell=cell, hidden=HIDDEN),
      task=TaskConfig(name="adding", length=LAGS),
      train=TrainConfig(batch=1, eval_examples=1, test_examples=1),
      diagnostics=DiagnosticsConfig(lag_examples=8),
    )
    config = vary(config, variant)
    config.train.steps = 0
    arms.append(Arm(cell, label, "initialisation", None, None, config))
  return Plan(
    title="Closed-form rates of a fading gradient",
    question="Does the lag gain meet the rates that can be written down?",
    arms=arms,
    budget={"steps": 0, "tuning": "none"},
    comparisons=[],
    baselines=["the Jacobian's spectral radius"],
  )


def judge(study: Study) -> list[Finding]:
  """Computes the curves anew; the records of the study are only shown."""
  return [
    *_rates(),
    *(_memory(bias) for bias in (0.0, 1.0)),
    _chrono(),
  ]


def measure(name: str, **fields) -> AtRest:
  """Lag gains of a drawn cell at rest, in float32 as in use."""
  cell = {"rnn": Elman(), "gru": GRU(), "lstm": LSTM()}[name]
  params = cell.init(jax.random.key(SEED), 2, HIDDEN, Initial(**fields))
  if "chrono" in fields:
    # One unit has the longest of all time scales.
    bias = params["input"]["bias"].at[HIDDEN].set(np.log(fields["chrono"] - 1))
    params["input"]["bias"] = bias
  trace = Trace(cell, False, params, jnp.zeros((LAGS, 1, 2)))
  parameters = jax.tree.map(lambda p: np.asarray(p, float), params)
  values, vectors = np.linalg.eig(_jacobian(name, parameters))
  leading = vectors[:, np.abs(values).argmax()]
  plane = [part for part in (leading.real, leading.imag) if part.any()]
  directions = np.stack([np.eye(len(values))[0], *plane])

  @jax.jit
  def curves(trace, directions):
    gains = log_gain(trace, directions[:, None])[:, :, 0]
    return gains, rms_gain(trace, len(values))[:, 0]

  gains, rms = curves(trace, jnp.asarray(directions, trace.xs.dtype))
  gains, rms = np.asarray(gains, float), np.asarray(rms, float)
  squares = 2 * gains[:, 1:] + np.log(np.square(plane).sum(1))
  return AtRest(parameters, gains[:, 0], logsumexp(squares, axis=1) / 2, rms)


def _jacobian(name: str, parameters: dict) -> np.ndarray:
  """ds_t/ds_{t-1} at the zero state, written down (row: of s_{t-1})."""
  kernel = parameters["hidden"]["kernel"]
  identity = np.eye(HIDDEN)
  if name == "rnn":
    return kernel
  if name == "gru":
    return identity / 2 + kernel[:, 2 * HIDDEN :] / 4
  forget = 1 / (1 + np.exp(-parameters["input"]["bias"][HIDDEN : 2 * HIDDEN]))
  candidate = kernel[:, 2 * HIDDEN : 3 * HIDDEN] / 2
  # c' = sigma(b) c + U_g h / 2 and h' = c' / 2.
  upper = np.concatenate([np.diag(forget), np.diag(forget) / 2], axis=1)
  lower = np.concatenate([candidate, candidate / 2], axis=1)
  return np.concatenate([upper, lower])


def _powers(matrix: np.ndarray) -> np.ndarray:
  """ln |J^k|_F / sqrt(n) for k = 0 .. LAGS, scaled at every power."""
  rows = np.eye(len(matrix)) / np.sqrt(len(matrix))
  curve = [0.0]
  for _ in range(LAGS):
    rows = rows @ matrix
    length = np.linalg.norm(rows)
    rows = rows / length
    curve.append(curve[-1] + np.log(length))
  return np.array(curve)


def _rates() -> list[Finding]:
  """Default initialisation: orthogonal weights, forget bias 1."""
  found = []
  for name, label in CELLS.items():
    rest = measure(name)
    matrix = _jacobian(name, rest.parameters)
    wanted = _powers(matrix)
    rate = np.log(np.abs(np.linalg.eigvals(matrix)).max())
    slope = (rest.leading[LAGS] - rest.leading[LAGS // 2]) / (LAGS - LAGS // 2)
    near = np.abs(np.expm1(rest.rms - wanted)[1 : NEAR + 1]).max()
    found += [
      Finding(
        f"{label}: slope along the leading eigenvectors, nats a step",
        f"ln rho = {rate:.5f}",
        SOURCE,
        f"{slope:.5f}",
        "within 1e-4",
        bool(abs(slope - rate) <= 1e-4),
      ),
      Finding(
        f"{label}: rms gain at lags 1 to {NEAR}",
        "that of the powers of J",
        SOURCE,
        f"at most {near:.1e} off, relatively",
        "within 1e-5",
        bool(near <= 1e-5),
      ),
    ]
  return found


def _memory(forget_bias: float) -> Finding:
  """Without recurrent weights c fades by its forget gate and nothing else."""
  rest = measure("lstm", gain=0.0, forget_bias=forget_bias)
  wanted = -LAGS * np.log10(1 + np.exp(-forget_bias))
  obtained = rest.unit[LAGS] / np.log(10)
  return Finding(
    f"LSTM, U = 0, forget bias {forget_bias:g}: log10 gain of c at lag {LAGS}",
    f"{wanted:.4f}",
    SOURCE,
    f"{obtained:.4f}",
    "within 1e-3",
    bool(abs(obtained - wanted) <= 1e-3),
  )


def _chrono() -> Finding:
  """The unit with the longest time scale keeps one part in e over it."""
  rest = measure("lstm", gain=0.0, chrono=LAGS)
  wanted = LAGS * np.log1p(-1 / LAGS)
  return Finding(
    f"LSTM, U = 0, chrono {LAGS}: ln gain of the slowest unit at lag {LAGS}",
    f"{wanted:.5f}",
    SOURCE,
    f"{rest.unit[LAGS]:.5f}",
    "within 1e-3",
    bool(abs(rest.unit[LAGS] - wanted) <= 1e-3),
  )
