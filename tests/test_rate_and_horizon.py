"""Rate, half-life and horizon of curves made by hand, in NumPy and in JAX."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import horizon, rate

LAGS = np.arange(41.0)[:, None]


@pytest.mark.parametrize("xp", [np, jnp])
def test_an_exponential_has_a_rate_and_a_half_life(xp):
  """Each example at its own rate; the rate is their mean, and 2^-k halves in one."""
  slopes = np.log(2) * np.array([-0.5, -1.0, -1.5])
  found = rate(xp.asarray(slopes * LAGS + 7, dtype=np.float32), 3, 40)
  for value in (found.rate, found.early, found.late):
    np.testing.assert_allclose(value, -np.log(2), rtol=1e-5)
  assert found.exponential
  np.testing.assert_allclose(found.half_life, 1, rtol=1e-5)
  assert isinstance(found.rate, np.ndarray | np.generic) == (xp is np)


def test_a_mean_of_slopes_is_not_the_slope_of_a_mean():
  """Where an example has no value at the far lag it takes no part."""
  curve = np.concatenate([-0.1 * LAGS, -0.9 * LAGS], axis=1)
  curve[30:, 1] = np.nan
  found = rate(curve, 20, 40)
  np.testing.assert_allclose(found.rate, -0.1)
  np.testing.assert_allclose(found.early, -0.5)
  assert np.isnan(rate(np.full((41, 2), np.nan), 0, 40).rate)


def two_rates(first, second):
  """Slopes before and after lag 20."""
  return np.minimum(LAGS, 20) * first + np.maximum(LAGS - 20, 0) * second


@pytest.mark.parametrize(
  "first, second, exponential",
  [
    (-0.1, -0.08, True),
    (-0.08, -0.1, True),
    (-0.1, -0.07, False),
    (-0.1, 0.1, False),
  ],
)
def test_a_half_life_is_printed_where_the_rates_of_two_windows_agree(
  first, second, exponential
):
  found = rate(two_rates(first, second), 0, 40)
  assert found.exponential == exponential
  assert np.isnan(found.half_life) != exponential
  if exponential:
    np.testing.assert_allclose(found.half_life, -2 * np.log(2) / (first + second))


def test_a_gain_that_ends_in_a_true_zero_has_no_half_life():
  curve = two_rates(-0.1, -0.1)
  curve[21:] = -np.inf
  found = rate(curve, 0, 40)
  assert np.isneginf(found.rate) and np.isneginf(found.late)
  assert not found.exponential and np.isnan(found.half_life)
  assert np.isnan(rate(curve, 30, 40).rate)


def test_what_grows_has_no_half_life():
  found = rate(0.2 * LAGS, 0, 40)
  np.testing.assert_allclose(found.rate, 0.2)
  assert found.exponential and np.isnan(found.half_life)


@pytest.mark.parametrize("xp", [np, jnp])
def test_a_horizon_is_the_last_crossing(xp):
  """A dip below that comes back does not count, exactly the threshold does."""
  curves = np.array(
    [
      [0, -1, -4, -2, -3, -5, -6],  # dips at lag 2, below for good from 4 on
      [0, -1, -1, -2, -2, -2, -2.9],  # never below
      [0, -4, -4, -4, -4, -4, -2],  # back at the very end
      [0, -4, -np.inf, -np.inf, np.nan, np.nan, np.nan],  # a reset; shorter
      [0, 2, 1, -3, np.nan, np.nan, np.nan],  # grows first
      [np.nan] * 7,
    ],
    np.float32,
  )
  found = horizon(xp.asarray(curves), -3.0)
  np.testing.assert_array_equal(found.lag, [4, np.nan, np.nan, 1, 3, np.nan])
  np.testing.assert_array_equal(found.censored, [0, 1, 1, 0, 0, 0])
  np.testing.assert_array_equal(found.longest, [6, 6, 6, 3, 3, -1])
  np.testing.assert_array_equal(found.largest, [0, 0, 0, 0, 2, np.nan])
