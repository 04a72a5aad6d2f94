"""A cell over time as a plain Python loop: the oracle of scan and adjoint.

It shares the cell's equations with the package and nothing else: a product is a
product, differentiated by JAX; lengths, resets and direction are written anew.
"""

import jax
import jax.numpy as jnp


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


def plain_product(cell, params):
  """Multiplies by the weight; a probe passes."""
  operations = dict(cell.products)

  def product(name, value):
    if name in operations:
      return operations[name](params[name], value)
    return value

  return product


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
  product_at=None,
  carry_offsets=None,
  projection_offsets=None,
):
  """(carry, outputs, gates) of a cell over (time, batch, ...).

  `product_at(t)` replaces the plain product; the offsets, leading axis time, are
  added to the carry behind each valid step and to the projection in it.
  """
  time, batch = xs.shape[:2]
  noise = None
  if key is not None:
    noise = cell.noise(key, time, cell.project(params["input"], xs[0]))
  vectors = rows_of(cell, params, xs.ndim - 1)
  carry, outputs, gates = initial_carry, [None] * time, [None] * time
  for t in reversed(range(time)) if reverse else range(time):
    valid = jnp.full((batch,), True) if lengths is None else t < lengths
    x = where(valid, xs[t], jnp.zeros_like(xs[t]))
    projection = cell.project(params["input"], x)
    seen = added(projection, at(projection_offsets, t))
    start = carry
    if resets is not None:
      boundary = t + 1 if reverse else t
      if boundary < time:
        start = where(resets[boundary], initial_carry, carry)
    product = plain_product(cell, params) if product_at is None else product_at(t)
    new, gates[t] = cell.step(product, vectors, start, seen, at(noise, t), context)
    carry = where(valid, added(new, at(carry_offsets, t)), carry)
    y = cell.output(carry, projection)
    outputs[t] = where(valid, y, jnp.zeros_like(y))
  stacked = jax.tree.map(lambda *g: jnp.stack(g), *gates)
  return carry, jnp.stack(outputs), stacked
