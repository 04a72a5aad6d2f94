"""A cell over time as a plain Python loop: the oracle of scan and adjoint.

It shares the cell's equations with the package and nothing else: a product is a
product, differentiated by JAX; lengths, resets and direction are written anew.
"""

import jax
import jax.numpy as jnp

from rnn_research.cells import Tape


def rows_of(cell, params, rank):
  """The cell's vectors, broadcastable at `rank` without rank promotion."""
  weighted = {name for name, _ in cell.products} | {"input"}
  vectors = {name: p for name, p in params.items() if name not in weighted}
  return jax.tree.map(
    lambda p: jnp.expand_dims(p, tuple(range(rank - p.ndim))), vectors
  )


def where(flags, chosen, other):
  """Chooses whole examples."""

  def pick(a, b):
    wide = jnp.expand_dims(flags, tuple(range(1, a.ndim)))
    return jnp.where(wide, a, b)

  return jax.tree.map(pick, chosen, other)


def at(tree, t):
  """Step t of leaves with a leading time axis."""
  return jax.tree.map(lambda leaf: leaf[t], tree)


def added(tree, offsets):
  """The sum of two trees; the first where there is nothing to add."""
  return tree if offsets is None else jax.tree.map(jnp.add, tree, offsets)


def plain_tape(cell, params):
  """Multiplies by the weight, and applies what it is given."""
  operations = dict(cell.products)

  def product(name, value):
    return operations[name](params[name], value)

  return Tape(product)


def plain_loop(
  cell,
  params,
  xs,
  *,
  initial_carry,
  lengths=None,
  resets=None,
  reverse=False,
  key=None,
  context=None,
  cut=None,
  tape_at=None,
  carry_offsets=None,
  projection_offsets=None,
):
  """(carry, outputs, gates) of a cell over (time, batch, ...).

  No gradient passes the carry that step `cut` of the processed begins with, if the
  example has had a step before;
  `tape_at(t)` replaces the plain tape; the offsets, leading axis time, are
  added to the carry behind each valid step and to the projection in it.
  """
  time, batch = xs.shape[:2]
  noise = None
  if key is not None:
    noise = cell.noise(key, time, cell.project(params["input"], xs[0]))
  vectors = rows_of(cell, params, xs.ndim - 1)
  carry, outputs, gates = initial_carry, [None] * time, [None] * time
  order = reversed(range(time)) if reverse else range(time)
  begun = jnp.zeros(batch, bool)
  for n, t in enumerate(order):
    if cut is not None:
      here = begun & (jnp.full((batch,), n) == cut)
      carry = where(here, jax.lax.stop_gradient(carry), carry)
    valid = jnp.full((batch,), True) if lengths is None else t < lengths
    begun |= valid
    x = where(valid, xs[t], jnp.zeros_like(xs[t]))
    projection = cell.project(params["input"], x)
    seen = added(projection, at(projection_offsets, t))
    start = carry
    if resets is not None:
      boundary = t + 1 if reverse else t
      if boundary < time:
        start = where(resets[boundary], initial_carry, carry)
    tape = plain_tape(cell, params) if tape_at is None else tape_at(t)
    new, gates[t] = cell.step(tape, vectors, start, seen, at(noise, t), context)
    carry = where(valid, added(new, at(carry_offsets, t)), carry)
    y = cell.output(carry, x)
    outputs[t] = where(valid, y, jnp.zeros_like(y))
  stacked = jax.tree.map(lambda *g: jnp.stack(g), *gates)
  return carry, jnp.stack(outputs), stacked
