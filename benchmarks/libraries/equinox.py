"""Equinox: a scan over a cell, mapped over the batch; it has no plain RNN cell."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.libraries import Unsupported, on_jax

PACKAGES = ("equinox", "jax", "jaxlib")
CELLS = {"gru": eqx.nn.GRUCell, "lstm": eqx.nn.LSTMCell}


def make(cell, shape, direction, devices):
  """One scan of the mapped cell, rather than a mapped scan of the cell."""
  if cell not in CELLS:
    raise Unsupported(f"no {cell} cell")
  subject = CELLS[cell](shape.input, shape.hidden, key=jax.random.key(0))
  params, static = eqx.partition(subject, eqx.is_inexact_array)
  zeros = jnp.zeros((shape.batch, shape.hidden))

  def apply(params, xs):
    step = jax.vmap(eqx.combine(params, static))

    def body(carry, x):
      carry = step(x, carry)
      return carry, carry[0] if cell == "lstm" else carry

    return lax.scan(body, (zeros, zeros) if cell == "lstm" else zeros, xs)[1]

  return [on_jax.way(apply, params, on_jax.time_major(shape), direction)]
