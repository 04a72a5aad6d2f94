"""Closed-form gradient rates of RNN, GRU and LSTM before training, H = 64, T = 1000.

Gain of the full carry at the zero state without input, in float32 as in use. Three
laws: early lags to 1e-5 of the gain, the late slope to 1e-4 nats per step of
ln rho(J), and an LSTM without weights to 1e-3 in log10 at lag 1000 (10^-136): one lag
too many would be 0.136 there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.diagnostics import log_gain
from rnn_research.diagnostics.theory import zero_state_rate
from rnn_research.unroll import Trace
from tests.laws.trajectories import trajectory

HIDDEN, STEPS = 64, 1000
CELLS = {"rnn": Elman(), "gru": GRU(), "lstm": LSTM()}


class Rates(NamedTuple):
  """Gain of one direction, measured, and as the powers of the Jacobian have it.

  Attributes:
    gain: ln |J'^k u| / |u| for k = 0 .. T, as the package measures it.
    powers: the same from explicit float64 products.
    rate: ln rho(J) in closed form.
    late: mean rate over the last half of the lags.
  """

  gain: np.ndarray
  powers: np.ndarray
  rate: float
  late: float


def closed_form_rates(name: str, seed: int = 0, **scheme) -> Rates:
  """One cell at initialisation; u is its slowest direction, so that it has one rate.

  Elsewhere a gain is a mixture of all eigenvalues until the largest has won, which
  64 of them, close to each other on a circle, do not decide within 1000 steps.
  """
  cell = CELLS[name]
  params = cell.init(jax.random.key(seed), 2, HIDDEN, Initial(**scheme))
  trace = Trace(cell, False, params, jnp.zeros((STEPS, 1, 2)))
  with jax.enable_x64(True):
    double = jax.tree.map(lambda leaf: leaf.astype(float), params)
    zeros = jnp.zeros((1, 1, 2), float)
    jacobian = trajectory(Trace(cell, False, double, zeros), 0)[0][0]
  values, vectors = np.linalg.eig(jacobian.T)
  slowest = vectors[:, np.abs(values).argmax()]
  # Of a complex pair any real vector of its plane turns and shrinks at its modulus.
  plane, _ = np.linalg.qr(np.stack([slowest.real, slowest.imag], 1))
  direction = plane[:, 0]
  gain = jax.jit(log_gain)(trace, jnp.asarray(direction, jnp.float32)[None, None])
  powers, row = [0.0], direction
  for _ in range(STEPS):
    row = row @ jacobian
    powers.append(powers[-1] + np.log(np.linalg.norm(row)))
    row = row / np.linalg.norm(row)
  gain = np.asarray(gain, np.float64)[:, 0, 0]
  return Rates(
    gain=gain,
    powers=np.array(powers),
    rate=zero_state_rate(cell, jax.device_get(params)),
    late=(gain[STEPS] - gain[STEPS // 2]) / (STEPS - STEPS // 2),
  )


@pytest.mark.parametrize("name", CELLS)
def test_rates_at_initialisation_are_the_closed_forms(name):
  """Lags 1 to 10 to 1e-5 of the gain; the slope to 1e-4 nats per step."""
  found = closed_form_rates(name)
  assert np.abs(np.expm1((found.gain - found.powers)[1:11])).max() <= 1e-5
  assert abs(found.late - found.rate) <= 1e-4
  # The whole curve, too: 1e-4 a step at every lag.
  steps = np.arange(1, STEPS + 1)
  assert (np.abs(found.gain[1:] - found.rate * steps) <= 1e-4 * steps).all()


@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_a_memory_without_weights_keeps_its_forget_gate_to_the_power(forget_bias):
  """The direction c to c at T = 1000: within 1e-3 in log10 of sigma(b)^T."""
  found = closed_form_rates("lstm", gain=0.0, forget_bias=forget_bias)
  wanted = STEPS * np.log10(1 / (1 + np.exp(-forget_bias)))
  assert abs(found.gain[STEPS] / np.log(10) - wanted) <= 1e-3


@pytest.mark.parametrize("cell", [Elman(layer_norm=True), GRU(layer_norm=True)])
def test_a_norm_has_no_closed_form(cell):
  params = cell.init(jax.random.key(0), 2, 4)
  with pytest.raises(TypeError, match="no closed form"):
    zero_state_rate(cell, params)
