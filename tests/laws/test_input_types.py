"""Inputs that are counts, pixels or flags: as the same numbers in floats."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.cells import CELLS
from rnn_research.unroll import unroll
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
