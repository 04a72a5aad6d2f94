"""Lag gain against explicit products of small Jacobians, and its bookkeeping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, Initial
from rnn_research.diagnostics import (
  at_events,
  event_lags,
  last_state,
  log_gain,
  loss_gain,
  rms_gain,
)
from rnn_research.unroll import Trace
from tests.laws.jacobians import BATCH, TIME, traced, trajectory_jacobians
from tests.laws.losses import unoptimised

TRACED = (
  ("elman", False),
  ("gru", False),
  ("gru_before", True),
  ("lstm", False),
  ("lstm_everything", False),
  ("residual_zoneout", True),
  ("attention", False),
  ("convolutional", False),
)


def gains_of_products(jacobians, directions):
  """ln |P_k' u| / |u| of one example, (lags, direction); NaN past its length."""
  product = np.eye(directions.shape[1])
  curves = np.full((TIME + 1, len(directions)), np.nan)
  lengths = np.linalg.norm(directions, axis=1)
  with np.errstate(divide="ignore"):
    for lag in range(len(jacobians) + 1):
      if lag:
        product = product @ jacobians[-lag]
      curves[lag] = np.log(np.linalg.norm(directions @ product, axis=1) / lengths)
  return curves


@pytest.mark.parametrize("name, reverse", TRACED)
def test_gain_is_that_of_the_product_of_jacobians(float64, name, reverse):
  """The whole carry; lengths 5, 3, 0 and 1, NaN padding, a reset, noise, context."""
  s, trace = traced(name, reverse)
  size = sum(leaf[0].size for leaf in jax.tree.leaves(s.carry))
  shape = (3, BATCH, size)
  directions = jax.random.normal(jax.random.key(5), shape, jnp.float64)
  found = np.asarray(unoptimised(log_gain)(trace, directions))
  wanted = np.stack(
    [
      gains_of_products(jacobians, np.asarray(directions[:, example]))
      for example, jacobians in enumerate(trajectory_jacobians(s, reverse))
    ],
    axis=-1,
  )
  # However much padding follows, nothing has happened at lag 0.
  assert (found[0] == 0).all()
  # What a reset cuts off is minus infinity, past the end is NaN.
  known = 2 if reverse else 3
  assert np.isfinite(wanted[:known, :, 0]).all()
  assert np.isneginf(wanted[known:, :, 0]).all()
  assert np.isnan(wanted[1:, :, 2]).all()
  np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


SIZE, STEPS = 6, 5
loss_curve = jax.jit(loss_gain)
rms_curve = jax.jit(rms_gain, static_argnums=(1, 2))


def contraction(copies=1):
  """An Elman network of equal examples, and its products P_k.

  Far from multiples of an isometry: directions differ.
  """
  cell = Elman()
  params = cell.init(jax.random.key(1), 2, SIZE, Initial(recurrent="gaussian"))
  xs = jax.random.normal(jax.random.key(2), (STEPS, 1, 2))
  trace = Trace(cell, False, params, jnp.tile(xs, (1, copies, 1)))
  weights, bias = params["input"]["kernel"], params["input"]["bias"]
  kernel = np.asarray(params["hidden"]["kernel"])
  state, jacobians = np.zeros(SIZE), []
  for x in np.asarray(xs[:, 0]):
    state = np.tanh(x @ weights + bias + state @ kernel)
    jacobians.append((1 - state**2)[:, None] * kernel.T)
  products = [np.eye(SIZE)]
  for matrix in reversed(jacobians):
    products.append(products[-1] @ matrix)
  return trace, np.array(products)


def test_loss_and_rms_gain():
  """|P'a|/|a| and |P|_F/sqrt(n); the scale of a is no matter."""
  trace, products = contraction()
  rms = np.log(np.linalg.norm(products, axis=(1, 2)) / np.sqrt(SIZE))
  np.testing.assert_allclose(rms_curve(trace, SIZE)[:, 0], rms, atol=1e-5)
  adjoint = np.arange(1.0, SIZE + 1)
  pulled = np.linalg.norm(adjoint @ products, axis=1) / np.linalg.norm(adjoint)
  for scale in (1, 1e-30, 1e30):
    found = loss_curve(trace, jnp.asarray(scale * adjoint, jnp.float32)[None])
    assert found[0, 0] == 0
    np.testing.assert_allclose(found[:, 0], np.log(pulled), atol=1e-5)


@pytest.mark.parametrize("probes", (0, 3, 16))
def test_nobody_has_a_lag_past_its_end_in_a_compiled_program_either(probes):
  trace = Trace(Elman(), False, *small_elman(), jnp.array([8, 4, 2, 0]))
  key = jax.random.key(1)

  def gain(trace):
    return rms_gain(trace, 4, probes, key)

  found = np.asarray(jax.jit(gain)(trace))
  lags, ends = np.arange(9)[:, None], np.asarray(trace.lengths)
  np.testing.assert_array_equal(np.isnan(found), lags > ends)
  np.testing.assert_allclose(found, gain(trace), rtol=1e-5, atol=1e-5)


def small_elman():
  """Parameters of 4 units, and four sequences of 8 steps."""
  keys = jax.random.split(jax.random.key(0), 2)
  params = Elman().init(keys[0], 2, 4)
  return params, jax.random.normal(keys[1], (8, 4, 2))


def test_random_probes_are_unbiased():
  """The mean square over many draws is |P|_F^2 / n, within its standard error."""
  copies = 2000
  trace, products = contraction(copies)
  exact = np.square(np.linalg.norm(products, axis=(1, 2)))[1:] / SIZE
  squares = np.exp(2 * rms_curve(trace, SIZE, 2, jax.random.key(3)))[1:]
  error = squares.std(1) / np.sqrt(copies)
  assert (error < 0.03 * exact).all()
  assert (np.abs(squares.mean(1) - exact) < 4 * error).all()
  # Sharp enough to see that a mean of logarithms is biased.
  assert (np.abs(np.exp(np.log(squares).mean(1)) - exact) > 4 * error).all()


def test_half_precision_is_measured_in_that_of_the_carry():
  trace, products = contraction()
  trace = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), trace)
  with jax.numpy_dtype_promotion("standard"):
    found = rms_curve(trace, SIZE)
  assert found.dtype == jnp.float32
  wanted = np.log(np.linalg.norm(products, axis=(1, 2)) / np.sqrt(SIZE))
  np.testing.assert_allclose(found[:, 0], wanted, atol=0.1)


def test_an_adjoint_of_zero_has_no_gain():
  """0/0 is no value: such an example must not count as one that has vanished."""
  trace, _ = contraction()
  assert np.isnan(loss_curve(trace, jnp.zeros((1, SIZE)))).all()


EVENTS = jnp.array([[0, 3], [1, 2]])
LENGTHS = jnp.array([6, 4])


@pytest.mark.parametrize(
  "reverse, lengths, lags, ends",
  [
    (False, None, [[5, 2], [4, 3]], [5, 5]),
    (False, LENGTHS, [[5, 2], [2, 1]], [5, 3]),
    (True, None, [[0, 3], [1, 2]], [0, 0]),
    (True, LENGTHS, [[0, 3], [1, 2]], [0, 0]),
  ],
)
def test_lags_of_events_and_the_last_state(reverse, lengths, lags, ends):
  """From the state behind an event to the last valid one, as a layer reads on."""
  trace = Trace(LSTM(), reverse, None, jnp.zeros((6, 2, 1)), lengths=lengths)
  np.testing.assert_array_equal(event_lags(trace, EVENTS), lags)
  position = jnp.asarray(np.indices((6, 2, 1))[0], float)
  np.testing.assert_array_equal(last_state(trace, position)[:, 0], ends)


def test_gain_at_events_is_read_at_each_examples_own_lag():
  curves = jnp.array([[0.0, 0.5], [-1.0, -2.0], [-3.0, jnp.nan]])
  lags = jnp.array([[2, 0], [1, -1]])
  wanted = [[-3.0, -2.0], [0.0, np.nan]]
  np.testing.assert_array_equal(at_events(curves, lags), wanted)
