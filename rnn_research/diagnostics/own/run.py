"""One forward and one backward pass through a step, and every adjoint on the way."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Carry, Lengths
from rnn_research.cells import select
from rnn_research.diagnostics.own.fork import Step, new_carry, output_from

Loss = Callable[[Carry, Any], Float[Array, "batch"]]


class Passes(NamedTuple):
  """What both passes leave behind; leaves (time, batch, ...) but for the first two.

  Attributes:
    loss: l_b of each example, (batch,).
    gradient: of the mean loss, like the parameters.
    starts: s_{t-1}, the carry before each step.
    xs: inputs, zero on padding.
    adjoint: a_t = dl_b/ds_t, total; zero on padding.
    outputs: dl_b/dy_t at fixed s_t; zero on padding.
  """

  loss: Float[Array, "batch"]
  gradient: Any
  starts: Carry
  xs: Array
  adjoint: Carry
  outputs: Any


def passes(
  step: Step, params: Any, carry: Carry, xs: Array, loss: Loss, lengths: Lengths | None
) -> Passes:
  """Runs the step over time, and back; arguments as in `diagnose`.

  The adjoint is the cotangent of a zero that is added to the new carry before it
  forks into the output and the next step.
  """
  time, batch = xs.shape[:2]
  active = None
  if lengths is not None:
    active = jnp.arange(time)[:, None] < lengths[None]
    # Zeroed, as in `unroll`: NaN times a zero cotangent is NaN.
    xs = select(active, xs, jnp.zeros_like(xs))

  def body(params, before, row):
    x, active, offset = row
    new = new_carry(step, params, before, x)
    # Inside of the selection: nothing is measured on padding.
    new = jax.tree.map(jnp.add, new, offset)
    y = output_from(step, params, before, x, new)
    y = select(active, y, jax.tree.map(jnp.zeros_like, y))
    new = select(active, new, before)
    return new, (y, before)

  def run(params, offsets):
    last, (ys, starts) = jax.lax.scan(
      lambda before, row: body(params, before, row), carry, (xs, active, offsets)
    )
    return (last, ys), starts

  offsets = jax.tree.map(lambda s: jnp.zeros((time, *s.shape), s.dtype), carry)
  (last, ys), pull, starts = jax.vjp(run, params, offsets, has_aux=True)
  losses, pull_loss = jax.vjp(loss, last, ys)
  at_last, at_outputs = pull_loss(jnp.ones_like(losses))
  gradient, adjoint = pull((at_last, at_outputs))
  return Passes(
    loss=losses,
    gradient=jax.tree.map(lambda leaf: leaf / batch, gradient),
    starts=starts,
    xs=xs,
    adjoint=adjoint,
    outputs=jax.tree.map(lambda y: select(active, y, jnp.zeros_like(y)), at_outputs),
  )


def read_by_loss(found: Passes) -> Bool[Array, "time"]:
  """Steps whose output the loss reads, in some example; none if there is no output."""
  read = jnp.zeros(found.xs.shape[:1], bool)
  for leaf in jax.tree.leaves(found.outputs):
    read |= (leaf != 0).any(range(1, leaf.ndim))
  return read
