"""Quantiles and root mean square over examples, against plain numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import over_examples

reduce = jax.jit(over_examples)


def numpy_curves(log, valid):
  """Median, q10, q90 and rms of one row, log10."""
  values = log[valid & ~np.isnan(log)]
  if not len(values):
    return [np.nan] * 4
  quantiles = [np.quantile(values, q, method="nearest") for q in (0.5, 0.1, 0.9)]
  rms = (np.logaddexp.reduce(2 * values) - np.log(len(values))) / 2
  return [value / np.log(10) for value in (*quantiles, rms)]


def test_against_numpy(float64):
  """Random masks; zeros, values without a number and infinities among the rest."""
  draw = np.random.default_rng(0)
  shape = (3, 40, 7)
  log = draw.normal(0, 30, shape)
  log[draw.random(shape) < 0.15] = -np.inf
  log[draw.random(shape) < 0.15] = np.nan
  log[0][draw.random(shape[1:]) < 0.1] = np.inf
  valid = draw.random(shape) < 0.7
  valid[1, 5] = False
  found = np.stack(reduce(jnp.asarray(log), jnp.asarray(valid)), -1)
  wanted = [
    numpy_curves(row, mask)
    for row, mask in zip(log.reshape(-1, 7), valid.reshape(-1, 7), strict=True)
  ]
  wanted = np.reshape(wanted, (*shape[:2], 4))
  assert np.isnan(wanted[1, 5]).all()
  for special in (np.isnan, np.isposinf, np.isneginf, np.isfinite):
    assert special(wanted[..., 3]).sum() >= 1
  np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("scale", [-1.0, 1.0])
def test_figures_far_outside_of_single_precision(scale):
  """e^-700 and e^700 are numbers; the rms is that of the largest, over sqrt(n)."""
  log = scale * jnp.array([700.0, 650.0, 600.0])
  found = reduce(log, jnp.array([True, True, True]))
  largest = log.max() - np.log(3) / 2
  wanted = np.array([scale * 650, log.min(), log.max(), largest]) / np.log(10)
  np.testing.assert_allclose(np.array(found), wanted, rtol=1e-6)


def test_zeros_count_and_missing_values_do_not():
  """Half of the examples vanished: the median says so, the rms loses 1/sqrt(2)."""
  log = jnp.array([0.0, -jnp.inf, jnp.nan, 5.0])
  found = reduce(log, jnp.array([True, True, True, False]))
  assert np.isneginf(found.median) and np.isneginf(found.q10)
  assert found.q90 == 0
  np.testing.assert_allclose(found.rms, -np.log10(2) / 2, rtol=1e-6)
