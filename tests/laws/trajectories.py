"""The Jacobians of every step of one example, from a plain loop: an oracle."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from tests.laws.losses import unoptimised
from tests.laws.plain_loop import at, plain_tape, rows_of


def trajectory(trace, example):
  """Jacobians (steps, n, n) and states (steps + 1, n) of an example's valid steps.

  In processing order; without resets and noise.
  """
  cell, params = trace.cell, trace.params
  xs = trace.xs[:, example : example + 1]
  if trace.lengths is not None:
    xs = xs[: int(trace.lengths[example])]
  xs = xs[::-1] if trace.reverse else xs
  tape, vectors = plain_tape(cell, params), rows_of(cell, params, trace.xs.ndim - 1)
  project = unoptimised(lambda x: cell.project(params["input"], x))
  if trace.initial_carry is None:
    carry = cell.initial_carry(params, project(trace.xs[0, example : example + 1]))
  else:
    one = slice(example, example + 1)
    carry = jax.tree.map(lambda leaf: leaf[one], trace.initial_carry)
  flat, back = ravel_pytree(at(carry, 0))

  @unoptimised
  def step(flat, x):
    def moved(flat):
      start = jax.tree.map(lambda leaf: leaf[None], back(flat))
      projection = cell.project(params["input"], x)
      new, _ = cell.step(tape, vectors, start, projection, None, None)
      return ravel_pytree(new)[0]

    return moved(flat), jax.jacobian(moved)(flat)

  states, jacobians = [flat], []
  for x in xs:
    flat, jacobian = step(flat, x)
    states.append(flat)
    jacobians.append(jacobian)
  size = flat.size
  jacobians = (
    np.asarray(jnp.stack(jacobians)) if jacobians else np.zeros((0, size, size))
  )
  return jacobians, np.asarray(jnp.stack(states))
