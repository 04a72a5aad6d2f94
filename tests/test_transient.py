"""Singular values of products of Jacobians against an explicit decomposition."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, Initial
from rnn_research.diagnostics import log_singular_values, spread, transient_growth
from rnn_research.unroll import Trace
from tests.laws.subjects import subject
from tests.laws.trajectories import trajectory

KEY = jax.random.key(4)
values = jax.jit(log_singular_values, static_argnums=(1, 3))


pytestmark = pytest.mark.usefixtures("quick_module")


@pytest.mark.parametrize("name, reverse", [("gru", False), ("lstm", True)])
def test_singular_values_are_those_of_the_product(float64, name, reverse):
  """Three of them, over all steps and the last two; lengths 5, 3, 0 and 1."""
  s = subject(name, jnp.float64)
  trace = Trace(
    s.cell, reverse, s.params, s.xs, lengths=s.lengths, initial_carry=s.carry
  )
  whole = values(trace, 3, None, 40, key=KEY)
  late = values(trace, 3, 2, 40, key=KEY)
  for example, length in enumerate(s.lengths):
    if length < 2:
      assert np.isnan(late[:, example]).all()
      continue
    jacobians, _ = trajectory(trace, example)
    for found, steps in ((whole, jacobians), (late, jacobians[-2:])):
      product = functools.reduce(lambda p, j: j @ p, steps)
      wanted = np.log(np.linalg.svd(product, compute_uv=False)[:3])
      np.testing.assert_allclose(found[:, example], wanted, atol=1e-8)
  # No step, no stretch.
  np.testing.assert_allclose(whole[:, 2], np.zeros(3), atol=1e-12)


def with_matrix(matrix, steps):
  """An Elman network that stays at zero, where J is this matrix."""
  kernel = jnp.asarray(matrix.T, float)
  params = {
    "input": {"kernel": jnp.zeros((1, len(matrix)))},
    "hidden": {"kernel": kernel},
  }
  return Trace(Elman(), False, params, jnp.zeros((steps, 1, 1)))


def test_a_non_normal_network_grows_before_it_fades():
  """Eigenvalues 0.9 alone, and yet a factor of 39 at lag 9."""
  matrix = np.array([[0.9, 10.0], [0.0, 0.9]])
  lags = np.arange(0, 61, 3)
  trace = with_matrix(matrix, 60)
  found = jax.jit(transient_growth, static_argnums=2)(trace, jnp.asarray(lags), key=KEY)
  powers = [np.linalg.matrix_power(matrix, k) for k in lags]
  wanted = np.log([np.linalg.norm(power, 2) for power in powers])
  np.testing.assert_allclose(found.log[:, 0], wanted, atol=1e-4)
  assert found.lag[0] == lags[wanted.argmax()] == 9
  assert found.largest[0] == found.log[:, 0].max()
  assert found.log[-1, 0] < found.largest[0] - 2


def test_singular_values_far_outside_of_single_precision():
  """10^60 beside 10^-60 after 200 steps, in float32; zero is minus infinity."""
  rates = np.array([2.0, 1.0, 0.5, 0.0])
  turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
  trace = with_matrix(turn @ np.diag(rates) @ turn.T, 200)
  found = values(trace, 4, None, 8, key=KEY)
  # What rounding leaves of the zero is a thousandth of nothing in float32.
  wanted = 200 * np.log(rates[:3])
  np.testing.assert_allclose(found[:3, 0], wanted, atol=1e-3)
  assert np.isneginf(found[3, 0])
  assert abs(spread(found[:3])[0] - 400 * np.log(2)) < 2e-3


def test_an_orthogonal_network_has_no_spread():
  cell = Elman()
  params = cell.init(jax.random.key(0), 1, 8, Initial(gain=0.95))
  trace = Trace(cell, False, params, jnp.zeros((30, 1, 1)))
  found = values(trace, 8, None, 8, key=KEY)
  np.testing.assert_allclose(found[:, 0], np.full(8, 30 * np.log(0.95)), atol=1e-4)
  assert spread(found)[0] < 1e-4


def test_half_of_an_lstms_directions_are_lost_at_rest():
  """J has rank H of 2H there, and so has every power."""
  cell = LSTM()
  params = cell.init(jax.random.key(0), 1, 3)
  trace = Trace(cell, False, params, jnp.zeros((10, 1, 1)))
  found = values(trace, 6, None, 8, key=KEY)[:, 0]
  assert np.isfinite(found[:3]).all()
  assert np.isneginf(found[3:]).all()
