"""Wrappers of the recurrence against their formulas, step by step in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import (
  GRU,
  LSTM,
  Elman,
  HiddenCarry,
  TimeResidual,
  TimeSkip,
  Variational,
)
from rnn_research.unroll import unroll

TIME, BATCH, INPUTS, HIDDEN = 12, 3, 2, 5
SKIP, RATE = 4, 0.3


def drawn(cell, batch=BATCH):
  """Parameters and inputs."""
  k = jax.random.split(jax.random.key(0))
  params = cell.init(k[0], INPUTS, HIDDEN)
  return params, jax.random.normal(k[1], (TIME, batch, INPUTS), float)


def sigmoid(z):
  return 1 / (1 + np.exp(-z))


def test_time_skip_adds_the_state_of_k_steps_ago(float64):
  params, xs = drawn(TimeSkip(Elman(), SKIP))
  _, found = unroll(TimeSkip(Elman(), SKIP), params, xs)
  p = jax.tree.map(np.asarray, params)
  assert not np.allclose(p["skip"]["kernel"], p["hidden"]["kernel"])
  states = [np.zeros((BATCH, HIDDEN))] * SKIP
  for t in range(TIME):
    z = np.asarray(xs[t]) @ p["input"]["kernel"] + p["input"]["bias"]
    z = z + states[-1] @ p["hidden"]["kernel"] + states[-SKIP] @ p["skip"]["kernel"]
    states.append(np.tanh(z))
  np.testing.assert_allclose(found, states[SKIP:], rtol=1e-12, atol=1e-13)


def test_every_gate_sees_the_state_of_k_steps_ago(float64):
  """A GRU with the skipped state as more inputs, of which V is the weight."""
  cell = TimeSkip(GRU(), SKIP)
  params, xs = drawn(cell)
  _, found = unroll(cell, params, xs)
  kernel = jnp.concatenate([params["input"]["kernel"], params["skip"]["kernel"]])
  plain = params | {"input": params["input"] | {"kernel": kernel}}
  plain.pop("skip")
  skipped = jnp.concatenate([jnp.zeros_like(found[:SKIP]), found[:-SKIP]])
  _, again = unroll(GRU(), plain, jnp.concatenate([xs, skipped], axis=-1))
  np.testing.assert_allclose(again, found, rtol=1e-12, atol=1e-13)


def test_without_the_short_way_a_gradient_goes_back_in_skips(float64):
  """From h_T to the states k, 2k, ... steps ago, and to no other."""
  cell = TimeSkip(Elman(), SKIP)
  params, xs = drawn(cell)
  params["hidden"]["kernel"] = jnp.zeros_like(params["hidden"]["kernel"])
  reach = jax.grad(lambda xs: unroll(cell, params, xs)[0].hidden.sum())(xs)
  reached = np.flatnonzero(np.abs(reach).max((1, 2)) > 0)
  np.testing.assert_array_equal(reached, [3, 7, 11])


def test_time_residual_is_fast_rnn(float64):
  cell = TimeResidual(Elman())
  params, xs = drawn(cell)
  np.testing.assert_allclose(sigmoid(params["mix"]["alpha"]), 0.0474, atol=1e-4)
  np.testing.assert_allclose(sigmoid(params["mix"]["beta"]), 0.9526, atol=1e-4)
  params["mix"] = {"alpha": jnp.array([0.4]), "beta": jnp.array([-0.7])}
  _, found = unroll(cell, params, xs)
  p = jax.tree.map(np.asarray, params)
  h = np.zeros((BATCH, HIDDEN))
  for t in range(TIME):
    z = np.asarray(xs[t]) @ p["input"]["kernel"] + p["input"]["bias"]
    h = sigmoid(0.4) * np.tanh(z + h @ p["hidden"]["kernel"]) + sigmoid(-0.7) * h
    np.testing.assert_allclose(found[t], h, rtol=1e-12, atol=1e-13)


def test_time_residual_keeps_a_gradient_where_the_cell_has_none(float64):
  """With U = 0, ds_T/ds_0 is sigma(beta)^T for every leaf that nothing else reads."""
  cell = TimeResidual(Elman())
  params, xs = drawn(cell)
  params["hidden"]["kernel"] = jnp.zeros_like(params["hidden"]["kernel"])

  def last(h):
    return unroll(cell, params, xs, initial_carry=HiddenCarry(h))[0].hidden

  zero = jnp.zeros((BATCH, HIDDEN))
  found = jax.vjp(last, zero)[1](jnp.ones_like(zero))[0]
  np.testing.assert_allclose(found, sigmoid(3.0) ** TIME, rtol=1e-12)


@pytest.mark.parametrize("inner", [Elman(), GRU(), LSTM(projection=3)])
def test_variational_without_a_key_is_the_cell(float64, inner):
  cell = Variational(inner, RATE)
  params, xs = drawn(cell)
  jax.tree.map(
    np.testing.assert_array_equal, unroll(cell, params, xs), unroll(inner, params, xs)
  )


def test_variational_masks_what_the_products_see(float64):
  """With the masks that were drawn; the GRU's z * h sees the whole state."""
  for inner in (GRU(), GRU(reset_after=False)):
    cell = Variational(inner, RATE)
    params, xs = drawn(cell)
    key = jax.random.key(7)
    _, found = unroll(cell, params, xs, key=key)
    projection = cell.project(params["input"], xs[0])
    m = np.asarray(cell.noise(key, TIME, projection).mask[0])
    p = jax.tree.map(np.asarray, params)
    assert set(np.unique(m)) == {0, 1 / (1 - RATE)}
    h = np.zeros((BATCH, HIDDEN))
    for t in range(TIME):
      x = np.asarray(xs[t]) @ p["input"]["kernel"] + p["input"]["bias"]
      x_r, x_z, x_n = np.split(x, 3, axis=-1)
      if inner.reset_after:
        h_r, h_z, h_n = np.split((m * h) @ p["hidden"]["kernel"], 3, axis=-1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * (h_n + p["hidden"]["bias"]))
      else:
        h_r, h_z = np.split((m * h) @ p["gates"]["kernel"], 2, axis=-1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + (m * r * h) @ p["candidate"]["kernel"])
      h = (1 - z) * n + z * h
      np.testing.assert_allclose(found[t], h, rtol=1e-12, atol=1e-13)


def test_a_projection_is_not_masked(float64):
  """It makes the state that the next step sees masked: once, not twice."""
  cell = Variational(LSTM(projection=3), RATE)
  params, xs = drawn(cell)
  _, found = unroll(cell, params, xs[:1], key=jax.random.key(7))
  _, plain = unroll(LSTM(projection=3), params, xs[:1])
  np.testing.assert_array_equal(found, plain)


def test_one_mask_a_sequence():
  cell = Variational(Elman(), RATE)
  params, xs = drawn(cell, batch=2000)
  projection = cell.project(params["input"], xs[0])
  masks = [cell.noise(jax.random.key(n), TIME, projection).mask for n in (1, 2)]
  for mask in masks:
    np.testing.assert_array_equal(mask, jnp.broadcast_to(mask[0], mask.shape))
    np.testing.assert_allclose((mask[0] == 0).mean(), RATE, atol=0.02)
    np.testing.assert_allclose(mask[0].mean(), 1, atol=0.03)
  both = (masks[0][0] == 0) & (masks[1][0] == 0)
  np.testing.assert_allclose(both.mean(), RATE**2, atol=0.02)
