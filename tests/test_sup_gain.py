"""Sup gain against singular values of explicit products, and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import Elman, Initial
from rnn_research.diagnostics import sup_gain
from rnn_research.unroll import Trace
from tests.laws.jacobians import TIME, traced, trajectory_jacobians
from tests.laws.losses import unoptimised

KEY = jax.random.key(4)
TRACED = (("elman", False), ("gru", True), ("lstm", False), ("lstm_everything", True))


def singular_values(jacobians):
  """ln sigma_max(P_k) of one example, (lags,); NaN past its length."""
  found = np.full(TIME + 1, np.nan)
  product = np.eye(len(jacobians[0]) if jacobians else 1)
  with np.errstate(divide="ignore"):
    for lag in range(len(jacobians) + 1):
      if lag:
        product = product @ jacobians[-lag]
      found[lag] = np.log(np.linalg.norm(product, 2))
  return found


@pytest.mark.parametrize("name, reverse", TRACED)
def test_it_is_the_largest_singular_value(float64, name, reverse):
  """The whole carry; lengths 5, 3, 0 and 1, NaN padding, a reset, noise, context.

  A lag is one number or one for each example; few iterations stay below.
  """
  s, trace = traced(name, reverse)
  own = jnp.array([2, 3, 0, -1])
  each = (*range(TIME + 1), TIME + 4, own)
  # A lag again and again goes on from its own last vector: 80 x 4 iterations.
  lags = (*each, *(lag for lag in each for _ in range(80)))
  found = np.asarray(unoptimised(lambda t: sup_gain(t, lags, 4, key=KEY))(trace))
  repeats = found[len(each) :].reshape(len(each), 80, -1)
  few, exact = found[: TIME + 1], repeats[:, -1]

  wanted = [singular_values(js) for js in trajectory_jacobians(s, reverse)]
  wanted = np.stack(wanted, axis=-1)
  # What a reset cuts off is minus infinity, past the end is NaN.
  assert np.isneginf(wanted[2 if reverse else 3 :, 0]).all()
  assert np.isnan(wanted[2:, 3]).all() and np.isfinite(wanted[:4, 1]).all()
  np.testing.assert_allclose(exact[: TIME + 1], wanted, rtol=1e-6, atol=1e-6)
  assert np.isnan(exact[TIME + 1]).all() and np.isnan(exact[-1, 3])
  np.testing.assert_allclose(exact[-1, :3], wanted[own[:3], range(3)], atol=1e-6)
  # From below, and never further away than before.
  known = np.isfinite(wanted)
  assert (few[known] - wanted[known]).max() < 1e-12
  rising = repeats[: TIME + 1].swapaxes(1, 2)[known]
  assert np.diff(rising, axis=1).min() > -1e-12


STEPS, SIZE = 1000, 12


def at_rest(gain):
  """An Elman network of orthogonal recurrence that never leaves the zero state."""
  params = Elman().init(jax.random.key(7), 2, SIZE, Initial(gain=gain))
  return Trace(Elman(), False, params, jnp.zeros((STEPS, 1, 2), float))


LAGS = (1, 10, 340, STEPS)
at_lags = jax.jit(lambda trace: sup_gain(trace, LAGS, 2, key=KEY))


@pytest.mark.parametrize("gain", [0.9, 1.3])
def test_orthogonal_recurrence_scales_by_its_gain(float64, gain):
  """sigma_max(P_k) = g^k, to machine precision."""
  found = at_lags(at_rest(gain))
  wanted = np.array(LAGS) * np.log(gain)
  np.testing.assert_allclose(found[:, 0], wanted, atol=1e-13 * STEPS)


@pytest.mark.parametrize("gain", [0.5, 0.77, 1.5])
def test_gains_far_outside_of_single_precision(gain):
  """10^-301 at lag 1000 and 10^60 at lag 340, in float32, within 1e-3 in log10."""
  found = at_lags(at_rest(gain))
  wanted = np.array(LAGS) * np.log10(gain)
  assert found.dtype == jnp.float32
  assert np.abs(found[:, 0] / np.log(10) - wanted).max() <= 1e-3
