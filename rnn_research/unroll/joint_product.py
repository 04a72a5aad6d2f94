"""One product of [x, h] with both matrices, where a step would have two."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Array, Inputs, Params
from rnn_research.cells import Cell, Joined, dense
from rnn_research.unroll.splitting import devices, sequences_of_each
from rnn_research.unroll.weights_first import lay, multiply

# Entries of both weights up to which one product is the faster way. Larger ones leave a
# core's cache between two steps, and the product of x can run beside that of h.
LARGEST = 1 << 20
# On CPU it does so with smaller ones, where one device has all cores and so many
# sequences.
LARGEST_ALONE, SOME = 1 << 18, range(16, 64)


def joined(cell: Cell) -> tuple[Joined, ...]:
  """What the cell says that it only adds, if all of it has columns in one order."""
  operations = dict(cell.products)
  factors = [cell.input_operation, *(operations[part.product] for part in cell.joined)]
  return cell.joined if all(operation is dense for operation in factors) else ()


def joint_weights(cell: Cell, params: Params) -> Params | None:
  """Weights of the input above those of the one product that is added to all of it.

  None where a gate stands between them, or where they are too large.
  """
  parts = joined(cell)
  if len(parts) != 1 or parts[0].by is not None:
    return None
  of_x, of_h = params["input"], params[parts[0].product]
  if "bias" in of_h:
    return None
  if of_x["kernel"].size + of_h["kernel"].size > LARGEST:
    return None
  return of_x | {"kernel": jnp.concatenate([of_x["kernel"], of_h["kernel"]])}


def joint_product(
  cell: Cell, params: Params, both: Params, xs: Inputs
) -> Callable[[Array, Array], Array]:
  """(x, h) -> [x, h] times both, as it is computed fastest.

  Args:
    cell: whose step adds them up.
    params: its parameters.
    both: its joint weights.
    xs: inputs of the layer, (time, batch, ...).
  """
  of_both = lay(dense, both, xs)
  of_x = lay(dense, params["input"], xs)
  of_h = lay(dense, params[joined(cell)[0].product], xs)

  def at_once(x, value):
    return multiply(dense, of_both, jnp.concatenate([x, value], axis=-1))

  def beside(x, value):
    return multiply(dense, of_x, x) + multiply(dense, of_h, value)

  def product(x, value):
    x = x.astype(value.dtype)
    if not _alone(both, xs):
      return at_once(x, value)
    return lax.platform_dependent(x, value, cpu=beside, default=at_once)

  return product


def _alone(both: Params, xs: Inputs) -> bool:
  some = devices(xs) == 1 and sequences_of_each(xs) in SOME
  return some and both["kernel"].size > LARGEST_ALONE
