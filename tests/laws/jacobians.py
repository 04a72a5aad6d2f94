"""Jacobians of every step of a subject, one at a time, by JAX of the plain equations.

The first example begins anew at step 2, the others never; lengths 5, 3, 0 and 1.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rnn_research.unroll import Trace
from tests.laws.losses import unoptimised
from tests.laws.plain_loop import at, plain_tape, rows_of, where
from tests.laws.subjects import BATCH, TIME, subject

RESETS = np.zeros((TIME, BATCH), bool)
RESETS[2, 0] = True


def traced(name, reverse):
  """A subject in float64, and its application with the resets above."""
  s = subject(name, jnp.float64)
  trace = Trace(
    s.cell,
    reverse,
    s.params,
    s.xs,
    lengths=s.lengths,
    resets=jnp.asarray(RESETS),
    initial_carry=s.carry,
    context=s.context,
    key=s.key,
  )
  return s, trace


def jacobian_of_a_step(s, tape):
  """A jitted (state, x, noise, reset) -> (next state, Jacobian of each example)."""
  whole = jax.vmap(lambda carry: ravel_pytree(carry)[0])
  parts = jax.vmap(ravel_pytree(at(s.carry, 0))[1])
  vectors = rows_of(s.cell, s.params, s.xs.ndim - 1)

  @unoptimised
  def step(state, x, noise, reset):
    def moved(state):
      start = where(reset, s.carry, parts(state))
      projection = s.cell.project(s.params["input"], x)
      new, _ = s.cell.step(tape, vectors, start, projection, noise, s.context)
      return whole(new)

    return moved(state), jnp.einsum("bibj->bij", jax.jacobian(moved)(state))

  return step, whole(s.carry)


def trajectory_jacobians(s, reverse, tape=None):
  """For each example the Jacobians of its valid steps, in processing order.

  `tape` multiplies where given, with whatever derivative it likes.
  """
  step, state = jacobian_of_a_step(s, tape or plain_tape(s.cell, s.params))
  noise = s.cell.noise(s.key, TIME, s.cell.project(s.params["input"], s.xs[0]))
  found = [[] for _ in range(BATCH)]
  for t in reversed(range(TIME)) if reverse else range(TIME):
    boundary = t + 1 if reverse else t
    reset = RESETS[boundary] if boundary < TIME else np.zeros(BATCH, bool)
    new, jacobians = step(state, s.xs[t], at(noise, t), reset)
    valid = np.asarray(t < s.lengths)
    for example in np.flatnonzero(valid):
      found[example].append(np.asarray(jacobians[example]))
    state = jnp.where(valid[:, None], new, state)
  return found
