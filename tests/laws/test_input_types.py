"""Inputs that are counts, pixels or flags, and carries in half precision: as floats."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.cells import CELLS
from rnn_research.unroll import step, unroll
from tests.laws.closeness import assert_close


@pytest.mark.parametrize("kind", ["int8", "int32", "bool"])
@pytest.mark.parametrize("name", CELLS)
def test_a_gradient_does_not_take_the_type_of_its_inputs(name, kind):
  cell = CELLS[name]()
  params = cell.init(jax.random.key(0), 3, 4)
  numbers = jax.random.randint(jax.random.key(1), (5, 2), 0, 3)
  xs = jax.nn.one_hot(numbers, 3, dtype=kind)

  @jax.jit
  def gradient(params, xs):
    return jax.grad(lambda p: (unroll(cell, p, xs)[1] ** 2).sum())(params)

  with jax.numpy_dtype_promotion("standard"):
    found = gradient(params, xs)
  assert_close(found, gradient(params, xs.astype(jnp.float32)), 1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_a_carry_in_half_precision_is_promoted(name):
  """What it holds is what counts; its gradient is handed back in its own type."""
  cell = CELLS[name]()
  params = cell.init(jax.random.key(0), 3, 4)
  xs = jax.random.normal(jax.random.key(1), (5, 2, 3))
  carry = unroll(cell, params, xs)[0]
  half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), carry)
  rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), half)

  def loss(carry):
    return (unroll(cell, params, xs, initial_carry=carry)[1] ** 2).sum()

  found = jax.value_and_grad(loss)(half)
  expected = jax.value_and_grad(loss)(rounded)
  assert found[0] == expected[0]
  handed_back = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), expected[1])
  assert_close(found[1], handed_back, 0)
  once = step(cell, params, half, xs[0])
  assert_close(once, step(cell, params, rounded, xs[0]), 0)
