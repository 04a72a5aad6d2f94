"""Zoneout against its formula, in expectation and drawn, in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Zoneout
from rnn_research.unroll import step, unroll

RATE, HIDDEN = 0.3, 20


def arguments(inner):
  """A cell, its parameters, inputs and a first carry."""
  cell = Zoneout(inner, RATE)
  k = jax.random.split(jax.random.key(0), 3)
  params = cell.init(k[0], 4, HIDDEN)
  xs = jax.random.normal(k[1], (30, 50, 4), float)
  zero = cell.initial_carry(params, cell.project(params["input"], xs[0]))
  carry = jax.tree.map(lambda a: a + jax.random.normal(k[2], a.shape, a.dtype), zero)
  return cell, params, xs, carry


@pytest.mark.parametrize("inner", [GRU(), LSTM()])
def test_without_a_key_it_is_the_expectation(float64, inner):
  cell, params, xs, carry = arguments(inner)
  found, _ = unroll(cell, params, xs[:3], initial_carry=carry)
  for x in xs[:3]:
    new, _ = step(inner, params, carry, x)
    carry = jax.tree.map(lambda s, n: RATE * s + (1 - RATE) * n, carry, new)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), found, carry)


@pytest.mark.parametrize("inner", [GRU(), LSTM()])
def test_with_a_key_each_unit_is_old_or_new(inner):
  """At its rate, of each leaf and step apart; another key draws other units."""
  cell, params, xs, carry = arguments(inner)
  kept = []
  for key in (1, 2):
    old, _ = unroll(cell, params, xs[:1], initial_carry=carry, key=jax.random.key(key))
    new, _ = step(inner, params, carry, xs[0])
    for found, before, after in zip(old, carry, new, strict=True):
      keep = np.asarray(found == before)
      np.testing.assert_allclose(found, jnp.where(keep, before, after), atol=1e-6)
      kept.append(keep)
  for keep in kept:
    np.testing.assert_allclose(keep.mean(), RATE, atol=0.06)
  for n, one in enumerate(kept):
    for other in kept[:n]:
      np.testing.assert_allclose((one & other).mean(), RATE**2, atol=0.05)


def test_steps_draw_anew():
  cell, params, xs, _ = arguments(GRU())
  projection = cell.project(params["input"], xs[0])
  masks = cell.noise(jax.random.key(0), 30, projection).keep.hidden
  assert set(np.unique(masks)) == {0, 1}
  np.testing.assert_allclose(masks.mean(), RATE, atol=0.01)
  np.testing.assert_allclose((masks[1:] * masks[:-1]).mean(), RATE**2, atol=0.01)
