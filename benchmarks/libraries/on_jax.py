"""What all libraries on JAX share."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.entries import Shape

Way = Callable[[], list[Any]]


def time_major(shape: Shape) -> np.ndarray:
  """Inputs (time, batch, input)."""
  sizes = (shape.time, shape.batch, shape.input)
  return np.random.default_rng(0).standard_normal(sizes, np.float32)


def way(
  apply: Callable,
  params: Any,
  xs: Any,
  direction: str,
  out: Any = None,
  options: dict[str, Any] | None = None,
) -> Way:
  """Compiles one direction of `apply(params, xs) -> ys`, and closes over its inputs.

  Args:
    apply: the layer.
    params: its parameters.
    xs: its inputs.
    direction: forward or gradient.
    out: shardings of (gradient of the parameters, outputs or gradient of the inputs).
    options: of XLA.
  """
  shardings = {} if out is None else {"out_shardings": out}

  def square(params, xs):
    return (apply(params, xs) ** 2).sum()

  def forward(params, xs):
    return (), apply(params, xs)

  run = forward if direction == "forward" else jax.grad(square, argnums=(0, 1))
  compiled = jax.jit(run, compiler_options=options, **shardings)
  arguments = jax.block_until_ready((params, jax.tree.map(jnp.asarray, xs)))

  def call():
    return jax.tree.leaves(jax.block_until_ready(compiled(*arguments)))

  return call
