"""The gradient of a dense product's kernel, apart by lag and by example.

    G_k^b = h_{tau-k-1} (x) dz_{tau-k}

is what the loss at step tau of example b adds to the kernel's gradient k steps
earlier: of rank one, and kept as its two factors. h is what the product multiplied, dz
the cotangent of its result.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from rnn_research.array_types import Array
from rnn_research.cells import Tape, dense
from rnn_research.diagnostics.state import (
  advance,
  flatten_carry,
  recurrent_operations,
  retrace,
  unflatten_carry,
)
from rnn_research.unroll import Trace


class LagParts(NamedTuple):
  """Factors of G_k^b by lag k = 0 .. time - 1; zero where it isn't known.

  Attributes:
    values: h_{tau-k-1}.
    cotangents: dz_{tau-k}.
    known: whether the example has k steps before tau.
  """

  values: Float[Array, "lags batch rows"]
  cotangents: Float[Array, "lags batch columns"]
  known: Bool[Array, "lags batch"]


def lag_parts(
  trace: Trace,
  adjoint: Float[Array, "batch state"],
  product: str,
  steps: Int[Array, "batch"] | None,
) -> LagParts:
  """Goes back from one step of each example, with nothing else to go back from.

  Args:
    trace: the application of a cell.
    adjoint: dl/ds_tau of the loss at tau alone, leaves of the carry side by side.
    product: name of the recurrent weight; its operation must be dense.
    steps: tau of each example, in input order, and no part of one where that is not a
      valid step; None is the last valid step.

  Raises:
    ValueError: if the product is not dense.
    StepError: for a step of somebody's own, which names no products.
  """
  operations = recurrent_operations(trace.cell)
  if operations.get(product) is not dense:
    some = [name for name, operation in operations.items() if operation is dense]
    raise ValueError(f"product {product!r} is not a dense one; the cell has {some}")
  initial, path = retrace(trace)
  time = trace.xs.shape[0]
  ends, valid = path.ends, path.valid
  if steps is not None:
    ends = time - steps if trace.reverse else steps + 1
    inside = (steps >= 0) & (steps < valid)
    # Backward, the steps before an example's first are padding.
    valid = jnp.where(inside, ends - (path.ends - path.valid), 0)

  def nudged(carry, nudge, row):
    """A step with something added to z, and what its product multiplies."""
    values = {}

    def multiply(name, value):
      values[name] = value
      result = operations[name](trace.params[name], value)
      return result + nudge if name == product else result

    return advance(trace, initial, carry, row, Tape(multiply)), values[product]

  columns = trace.params[product]["kernel"].shape[-1]
  nothing = jnp.zeros((adjoint.shape[0], columns), adjoint.dtype)

  def body(cotangent, own):
    row, start, index = own
    _, pull, value = jax.vjp(
      lambda carry, nudge: nudged(carry, nudge, row), start, nothing, has_aux=True
    )
    earlier, dz = pull(unflatten_carry(cotangent, start))
    begun = (index < ends)[:, None]
    return jnp.where(begun, flatten_carry(earlier), cotangent), (value, dz)

  indices = jnp.arange(time)
  rows = (path.rows, path.starts, indices)
  _, (values, cotangents) = jax.lax.scan(body, adjoint, rows, reverse=True)

  lags = indices[:, None]
  known = lags < valid[None]
  index = jnp.clip(ends[None] - 1 - lags, 0, time - 1)[..., None]

  def by_lag(stack):
    taken = jnp.take_along_axis(stack, index, axis=0)
    return jnp.where(known[..., None], taken, 0)

  return LagParts(by_lag(values), by_lag(cotangents), known)
