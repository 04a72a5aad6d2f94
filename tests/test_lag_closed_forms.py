"""Closed forms that the lag gain of the full carry meets at the zero state.

Zero input, zero biases: every step has the same Jacobian J, and the gain over k
steps is that of J^k. In float32, as in use, unless the law is one of rounding.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.diagnostics import log_gain, rms_gain
from rnn_research.unroll import Trace, step

INPUTS, HIDDEN, STEPS = 2, 12, 1000
CELLS = {
  "elman": Elman(),
  "gru": GRU(),
  "gru_before": GRU(reset_after=False),
  "lstm": LSTM(),
}
# Largest modulus of an eigenvalue, forget bias 1, where the orthogonal weights have
# the eigenvalue 1: U, (1 + U/2)/2 and sigma(1) + U/4 are the Jacobians.
RADIUS = {"elman": 1.0, "gru": 0.75, "gru_before": 0.75, "lstm": 0.9810585786}
# Its draw has that eigenvalue, and the next one is at least 0.008 behind: a late
# slope is the largest eigenvalue's alone only where no other is near.
SEED = 7


def at_rest(cell, **fields):
  """A trace that never leaves the zero state."""
  params = cell.init(jax.random.key(SEED), INPUTS, HIDDEN, Initial(**fields))
  return Trace(cell, False, params, jnp.zeros((STEPS, 1, INPUTS), float))


@jax.jit
def curves(trace):
  """Gain of each unit vector of the state, (lags, state), and the rms gain."""
  leaves = jax.tree.leaves(jax.eval_shape(lambda: trace.run()[0]))
  size = sum(leaf.shape[-1] for leaf in leaves)
  units = jnp.eye(size, dtype=trace.xs.dtype)
  return log_gain(trace, units[:, None])[:, :, 0], rms_gain(trace, size)[:, 0]


def jacobian(trace):
  """ds_t/ds_{t-1}, all leaves of the carry at once, in float64."""
  cell = trace.cell
  with jax.enable_x64(True):
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), trace.params)
    x = jnp.zeros((1, INPUTS), jnp.float64)
    zeros = cell.initial_carry(params, cell.project(params["input"], x))
    flat, back = ravel_pytree(zeros)

    def moved(flat):
      return ravel_pytree(step(cell, params, back(flat), x)[0])[0]

    return np.asarray(jax.jit(jax.jacobian(moved))(flat))


def powers(matrix, rows, steps):
  """ln |rows J^k| / |rows| (Frobenius) for k = 0 .. steps; scaled at every power."""
  rows = rows / np.linalg.norm(rows)
  curve = [0.0]
  for _ in range(steps):
    rows = rows @ matrix
    length = np.linalg.norm(rows)
    rows = rows / length
    curve.append(curve[-1] + np.log(length))
  return np.array(curve)


@functools.cache
def default(name):
  """A cell as it starts by default: its Jacobian, and its curves."""
  trace = at_rest(CELLS[name])
  units, rms = curves(trace)
  return jacobian(trace), np.asarray(units), np.asarray(rms)


@pytest.mark.parametrize("name", CELLS)
def test_curves_are_those_of_the_powers_of_the_jacobian(name):
  """To 1e-5 of the gain at lags up to 10, and 1e-4 nats a step up to 1000."""
  matrix, units, rms = default(name)
  identity = np.eye(len(matrix))
  pairs = [(rms, identity), (units[:, 0], identity[:1]), (units[:, -1], identity[-1:])]
  steps = np.arange(STEPS + 1)
  for found, rows in pairs:
    error = found - powers(matrix, rows, STEPS)
    assert found[0] == 0
    assert np.abs(np.expm1(error[1:11])).max() <= 1e-5
    assert (np.abs(error[1:]) <= 1e-4 * steps[1:]).all()


@pytest.mark.parametrize("name", CELLS)
def test_late_slope_is_the_spectral_radius(name):
  """ln rho a step, within 1e-4; rho itself is the known one of the default."""
  matrix, _, rms = default(name)
  radius = np.abs(np.linalg.eigvals(matrix)).max()
  assert abs(radius - RADIUS[name]) < 1e-6
  slope = (rms[STEPS] - rms[STEPS // 2]) / (STEPS - STEPS // 2)
  assert abs(slope - np.log(radius)) <= 1e-4


@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_a_memory_without_weights_fades_by_its_forget_gate(forget_bias):
  """sigma(b)^k in c: 10^-136 at b = 1 and lag 1000. One lag more would be 0.136."""
  units, _ = curves(at_rest(LSTM(), gain=0.0, forget_bias=forget_bias))
  wanted = -np.arange(STEPS + 1) * np.log10(1 + np.exp(-forget_bias))
  memory, hidden = units[:, 3] / np.log(10), units[:, HIDDEN + 3] / np.log(10)
  assert np.abs(memory - wanted).max() <= 1e-3
  # h reads c and nothing else, by o tanh'(0) = 1/2: no way leads from h to h.
  assert np.abs(hidden[1:] - np.log10(0.5) - wanted[1:]).max() <= 1e-3


def test_chrono_leaves_one_part_in_e_after_the_longest_time():
  """Each unit of the memory fades by its own time scale, drawn up to T_max."""
  longest = 200
  trace = at_rest(LSTM(), gain=0.0, chrono=longest)
  # The first unit is given the longest of all times.
  bias = trace.params["input"]["bias"].at[HIDDEN].set(np.log(longest - 1))
  trace.params["input"]["bias"] = bias
  units = np.asarray(curves(trace)[0])[: longest + 1, :HIDDEN]
  forget = np.asarray(bias[HIDDEN : 2 * HIDDEN], np.float64)
  wanted = -np.arange(longest + 1)[:, None] * np.log1p(np.exp(-forget))
  np.testing.assert_allclose(units, wanted, atol=1e-4)
  np.testing.assert_allclose(units[-1, 0], longest * np.log1p(-1 / longest), atol=1e-4)
  assert abs(units[-1, 0] + 1) < 1 / longest
  assert units[-1].max() == units[-1, 0]


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.3])
def test_orthogonal_recurrence_scales_by_its_gain(float64, gain):
  """|dL/dh_0| = g^T |dL/dh_T|, to machine precision, in every direction."""
  units, rms = curves(at_rest(Elman(), gain=gain))
  wanted = np.arange(STEPS + 1) * np.log(gain)
  for curve in (*units.T, rms):
    np.testing.assert_allclose(curve, wanted, atol=1e-13 * STEPS)


@pytest.mark.parametrize("gain", [0.5, 0.77, 1.5])
def test_gains_far_outside_of_single_precision(gain):
  """10^-301 at lag 1000 and 10^60 at lag 340, in float32, within 1e-3 in log10."""
  units, rms = curves(at_rest(Elman(), gain=gain))
  wanted = np.arange(STEPS + 1) * np.log10(gain)
  for curve in (units[:, 0], rms):
    assert np.abs(curve / np.log(10) - wanted).max() <= 1e-3
