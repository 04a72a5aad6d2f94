"""Laws of half precision: what adds up is kept in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import CELLS, LSTM, Elman
from rnn_research.unroll import step, unroll
from tests.laws.closeness import distance
from tests.laws.losses import unoptimised


def test_a_memory_in_bfloat16_still_adds_up():
  """c += tanh(0.01), 2000 times; a carry in bfloat16 would stop at 4."""
  steps, size = 2000, 3
  params = LSTM().init(jax.random.key(0), 1, size)
  gates = jnp.repeat(jnp.array([40.0, 40.0, 0.01, 0.0]), size)
  params = jax.tree.map(jnp.zeros_like, params)
  params["input"]["bias"] = gates
  half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
  xs = jnp.zeros((steps, 1, 1), jnp.bfloat16)
  with jax.numpy_dtype_promotion("standard"):
    carry, _ = unroll(LSTM(), half, xs)
    stopped = jnp.zeros((), jnp.bfloat16)
    for _ in range(steps):
      stopped = stopped + jnp.tanh(half["input"]["bias"][2 * size])
  rounded = np.tanh(np.float64(jnp.bfloat16(0.01)))
  assert carry.memory.dtype == jnp.float32
  np.testing.assert_allclose(carry.memory, steps * rounded, rtol=5e-3)
  assert stopped == 4


@pytest.mark.parametrize("name", CELLS)
def test_half_precision_gradients_are_no_worse_than_autodiffs(name):
  """Against float32, on the same rounded parameters and inputs."""
  cell = CELLS[name]()
  k = jax.random.split(jax.random.key(1))
  params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), cell.init(k[0], 4, 8))
  xs = jax.random.normal(k[1], (20, 8, 4), jnp.bfloat16)

  def gradients(adjoint, dtype):
    def value(params, xs):
      outputs = unroll(cell, params, xs, adjoint=adjoint)[1]
      return (outputs.astype(jnp.float32) ** 2).sum()

    cast = jax.tree.map(lambda leaf: leaf.astype(dtype), (params, xs))
    return unoptimised(jax.grad(value, (0, 1)))(*cast)

  with jax.numpy_dtype_promotion("standard"):
    wanted = gradients("fused", jnp.float32)
    fused = gradients("fused", jnp.bfloat16)
    autodiff = gradients("autodiff", jnp.bfloat16)
  assert {leaf.dtype for leaf in jax.tree.leaves(fused)} == {jnp.dtype(jnp.bfloat16)}
  assert 1e-4 < distance(fused, wanted) <= distance(autodiff, wanted)


def test_rounded_products_leave_the_memory_alone():
  """The same accumulator with float32 parameters and products in bfloat16."""
  steps, size = 2000, 3
  params = jax.tree.map(jnp.zeros_like, LSTM().init(jax.random.key(0), 1, size))
  params["input"]["bias"] = jnp.repeat(jnp.array([40.0, 40.0, 0.01, 0.0]), size)
  xs = jnp.zeros((steps, 1, 1))
  carry, _ = unroll(LSTM(), params, xs, compute_dtype=jnp.bfloat16)
  np.testing.assert_allclose(carry.memory, steps * np.tanh(0.01), rtol=1e-4)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_rounded_products_are_no_worse_than_autodiffs(name):
  """Against float32; parameters, carries and gradients stay float32."""
  cell = CELLS[name]()
  k = jax.random.split(jax.random.key(2))
  params = cell.init(k[0], 4, 8)
  xs = jax.random.normal(k[1], (20, 8, 4))

  def gradients(adjoint, compute_dtype):
    def value(params, xs):
      carry, outputs = unroll(
        cell, params, xs, adjoint=adjoint, compute_dtype=compute_dtype
      )
      assert {leaf.dtype for leaf in carry} == {jnp.dtype(jnp.float32)}
      return (outputs**2).sum()

    return unoptimised(jax.grad(value, (0, 1)))(params, xs)

  wanted = gradients("fused", None)
  fused = gradients("fused", jnp.bfloat16)
  autodiff = gradients("autodiff", jnp.bfloat16)
  assert {leaf.dtype for leaf in jax.tree.leaves(fused)} == {jnp.dtype(jnp.float32)}
  assert 1e-4 < distance(fused, wanted) <= distance(autodiff, wanted)


def test_streaming_rounds_as_the_unroll_does():
  cell = LSTM()
  params = cell.init(jax.random.key(3), 2, 3)
  xs = jax.random.normal(jax.random.key(4), (2, 1, 2))
  carry, first = step(cell, params, None, xs[0], compute_dtype=jnp.bfloat16)
  _, second = step(cell, params, carry, xs[1], compute_dtype=jnp.bfloat16)
  rounded = unroll(cell, params, xs, compute_dtype=jnp.bfloat16)[1]
  np.testing.assert_allclose([first, second], rounded, rtol=1e-5)
  assert np.abs(rounded - unroll(cell, params, xs)[1]).max() > 1e-5


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_streaming_keeps_the_wide_carry(dtype):
  cell = Elman()
  params = jax.tree.map(lambda p: p.astype(dtype), cell.init(jax.random.key(0), 2, 3))
  with jax.numpy_dtype_promotion("standard"):
    carry, first = step(cell, params, None, jnp.ones((1, 2), dtype))
    carry, y = step(cell, params, carry, jnp.ones((1, 2), dtype))
    last, outputs = unroll(cell, params, jnp.ones((2, 1, 2), dtype))
  assert carry.hidden.dtype == last.hidden.dtype == jnp.float32
  np.testing.assert_allclose([first, y], outputs, rtol=1e-6)


def test_sums_are_not_rounded_where_products_are():
  """On accelerators a product may round its factors; one with ones is a bias's sum."""
  cell, xs = Elman(), jnp.ones((7, 2, 3))
  gradient = jax.grad(lambda params: unroll(cell, params, xs)[1].sum())
  with jax.default_matmul_precision("bfloat16"):
    program = jax.jit(gradient).trace(cell.init(jax.random.key(0), 3, 5))
  text = program.lower(lowering_platforms=("tpu",)).as_text()
  products = [line for line in text.splitlines() if "dot_general" in line]
  sums = [line for line in products if "tensor<7xf32>" in line]
  assert sums
  assert all("HIGHEST" in line for line in sums)
  assert not all("HIGHEST" in line for line in products)
