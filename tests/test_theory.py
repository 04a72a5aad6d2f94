"""Predictions against what is measured where the prediction is exact."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.diagnostics import (
  largest_singular_value,
  log_gain,
  recurrent_blocks,
  rms_gain,
)
from rnn_research.diagnostics.theory import (
  chrono_rate,
  log_bound,
  log_norm_product,
  log_omega_ratio,
  mean_field,
  zero_state_rate,
)
from rnn_research.unroll import Trace
from tests.laws.mean_field import chi, fixed_point
from tests.laws.subjects import subject
from tests.laws.trajectories import trajectory

KEY = jax.random.key(6)
UNITS, LAGS = 256, 40


@functools.cache
def wide_slope(weight_scale, input_variance):
  """Slope of the rms curve of 256 units, over lags 10 to 40 and three draws."""

  @jax.jit
  def curve(key):
    cell = Elman()
    k = jax.random.split(key, 3)
    scheme = Initial(recurrent="gaussian", gain=weight_scale)
    params = cell.init(k[0], UNITS, UNITS, scheme)
    params["input"]["kernel"] = jnp.eye(UNITS) * input_variance**0.5
    xs = jax.random.normal(k[1], (LAGS + 20, 4, UNITS))
    return rms_gain(Trace(cell, False, params, xs), UNITS, 16, k[2]).mean(1)

  curves = np.stack([curve(jax.random.key(seed)) for seed in range(3)])
  return (curves[:, LAGS] - curves[:, 10]).mean() / (LAGS - 10)


@pytest.mark.parametrize(
  "weight_scale, rate", [(1.2, -0.1454), (1.5, -0.0167), (2.0, 0.1204)]
)
def test_mean_field_predicts_the_rms_curve_of_a_wide_network(weight_scale, rate):
  """Half of ln chi, neither more nor less; at N = 256 within 0.01 nats per step."""
  found = mean_field(weight_scale, 0.25)
  assert abs(found.rate - rate) < 5e-5
  assert abs(found.rate - np.log(found.chi) / 2) < 1e-12
  assert abs(found.depth * abs(found.rate) - 1) < 1e-12
  assert abs(wide_slope(weight_scale, 0.25) - found.rate) < 0.01


@pytest.mark.parametrize(
  "weight_scale, input_variance",
  [(0.9, 0.01), (3.0, 1.0), (5.0, 0.25), (10.0, 1.0), (1.0, 10.0), (1.5, 100.0)],
)
def test_mean_field_of_any_weights_and_inputs(weight_scale, input_variance):
  """Saturated units too, whose slope is a narrow peak."""
  found = mean_field(weight_scale, input_variance)
  variance = fixed_point(weight_scale, input_variance)
  np.testing.assert_allclose(found.variance, variance, rtol=1e-9)
  np.testing.assert_allclose(found.chi, chi(weight_scale, input_variance), rtol=1e-6)


def test_mean_field_at_its_ends():
  """Without weights all variance is the input's; weak and driven not, sw is chi."""
  assert mean_field(0.5, 0.0).variance < 1e-12
  assert abs(mean_field(0.5, 0.0).chi - 0.25) < 1e-10
  assert abs(mean_field(0.3, 0.7, "relu").chi - 0.045) < 1e-12
  # E[relu(x)^2] is q / 2.
  relu = mean_field(1.0, 0.7, "relu")
  assert abs(relu.variance - (0.5 * relu.variance + 0.7)) < 1e-12
  assert np.isinf(mean_field(1.5, 0.7, "relu").variance)


def at_rest(cell, seed=0, **fields):
  params = cell.init(jax.random.key(seed), 1, 6, Initial(**fields))
  return Trace(cell, False, params, jnp.zeros((1, 1, 1), float))


@pytest.mark.parametrize(
  "cell",
  [
    Elman(),
    GRU(),
    GRU(reset_after=False),
    LSTM(),
    LSTM(coupled=True),
    LSTM(peepholes=True),
  ],
  ids=str,
)
@pytest.mark.parametrize("chrono", [0, 30])
def test_rates_at_rest_are_those_of_the_jacobian(float64, cell, chrono):
  """Its spectral radius, with any biases but those that move the state."""
  trace = at_rest(cell, recurrent="gaussian", chrono=chrono)
  if isinstance(cell, GRU):
    bias = trace.params["input"]["bias"]
    trace.params["input"]["bias"] = bias.at[:6].add(jnp.arange(6.0))
  if cell == LSTM():
    bias = trace.params["input"]["bias"]
    trace.params["input"]["bias"] = bias.at[18:].add(jnp.arange(6.0))
  matrix = trajectory(trace, 0)[0][0]
  radius = np.abs(np.linalg.eigvals(matrix)).max()
  found = zero_state_rate(cell, jax.device_get(trace.params))
  np.testing.assert_allclose(found, np.log(radius), rtol=1e-10)


def test_rates_at_rest_in_closed_form(float64):
  """sigma(b) and one half without weights, 1 - 1/T_max with chrono; known defaults."""

  def rate(cell, **fields):
    return zero_state_rate(cell, jax.device_get(at_rest(cell, **fields).params))

  assert abs(rate(LSTM(), gain=0.0) - np.log(1 / (1 + np.exp(-1)))) < 1e-12
  assert abs(rate(LSTM(), gain=0.0, forget_bias=0.0) - np.log(0.5)) < 1e-12
  assert abs(rate(GRU(), gain=0.0) - np.log(0.5)) < 1e-12
  assert np.isneginf(rate(Elman(), gain=0.0))
  assert abs(rate(Elman(), gain=0.7) - np.log(0.7)) < 1e-12
  # No unit of a chrono draw is slower than the longest time scale.
  assert np.log(0.5) <= rate(LSTM(), gain=0.0, chrono=100) <= chrono_rate(100)
  assert abs(1000 * chrono_rate(1000) + 1) < 1e-3


def test_a_bias_that_moves_the_state_has_no_rate_at_rest():
  trace = at_rest(Elman())
  trace.params["input"]["bias"] += 0.1
  assert np.isnan(zero_state_rate(trace.cell, jax.device_get(trace.params)))
  with pytest.raises(TypeError, match="no closed form"):
    zero_state_rate(LSTM(layer_norm=True), {})


def elman_on_data(**fields):
  cell = Elman()
  params = cell.init(jax.random.key(1), 2, 6, Initial(recurrent="gaussian", **fields))
  xs = jax.random.normal(jax.random.key(2), (8, 2, 2), float)
  return Trace(cell, False, params, xs, lengths=jnp.array([8, 5]))


def test_bounds_lie_above_every_gain_in_their_order(float64):
  """|P_k| <= prod |J_t| <= (gamma sigma_max)^k; the middle one is the product."""
  trace = elman_on_data()
  found = np.asarray(jax.jit(log_norm_product, static_argnums=1)(trace, 60, key=KEY))
  units = jnp.broadcast_to(jnp.eye(6)[:, None], (6, 2, 6))
  gains = np.asarray(jax.jit(log_gain)(trace, units))
  kernel = recurrent_blocks(trace.cell, jax.device_get(trace.params))["hidden"]
  bound = log_bound(largest_singular_value(kernel), 8)
  for example, length in enumerate((8, 5)):
    jacobians, _ = trajectory(trace, example)
    norms = np.log(np.linalg.norm(jacobians, 2, axis=(1, 2)))[::-1]
    wanted = np.concatenate([[0], np.cumsum(norms)])
    np.testing.assert_allclose(found[: length + 1, example], wanted, atol=1e-6)
    assert np.isnan(found[length + 1 :, example]).all()
    assert (gains[: length + 1, :, example] <= wanted[:, None] + 1e-9).all()
    assert (wanted <= bound[: length + 1] + 1e-9).all()
  # A sigmoid's slope is at most a quarter.
  quarter = log_bound(np.array(2.0), 3, "sigmoid")
  np.testing.assert_allclose(quarter, np.arange(4) * np.log(0.5), rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_omega_compares_a_gradient_with_itself_one_step_back(float64, reverse):
  """Of an LSTM's whole carry, lengths 5, 3, 0 and 1; 10^-200 is no zero."""
  s = subject("lstm", jnp.float64)
  trace = Trace(
    s.cell, reverse, s.params, s.xs, lengths=s.lengths, initial_carry=s.carry
  )
  time, batch = s.xs.shape[:2]
  adjoint = 1e-200 * jax.random.normal(KEY, (time, batch, 8), jnp.float64)
  found = np.asarray(jax.jit(log_omega_ratio)(trace, adjoint))
  for example, length in enumerate(s.lengths):
    assert np.isnan(found[length:, example]).all()
    if not length:
      continue
    jacobians, _ = trajectory(trace, example)
    vectors = np.asarray(adjoint[:length, example]) * 1e200
    for t in range(length):
      matrix = jacobians[length - 1 - t if reverse else t]
      wanted = np.log(np.linalg.norm(vectors[t] @ matrix) / np.linalg.norm(vectors[t]))
      assert abs(found[t, example] - wanted) < 1e-10


def test_omega_of_no_gradient_is_no_number():
  trace = elman_on_data()
  found = jax.jit(log_omega_ratio)(trace, jnp.zeros((8, 2, 6)))
  assert np.isnan(found).all()
