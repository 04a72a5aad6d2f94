"""Products of a large matrix and few sequences, with the matrix as the first factor.

On CPU a product rearranges its second factor before it multiplies. For a matrix of
weights and a few sequences that takes longer than to multiply: so the matrix, turned
once outside of the loop, comes first, and the sequences second.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Array, Inputs, Params
from rnn_research.cells import dense
from rnn_research.cells.cell import Operation, add_bias
from rnn_research.unroll.splitting import devices, sequences_of_each

# Entries from which it is the faster way, for devices that share the cores, and for
# one that multiplies with all of them.
LARGE, LARGE_ALONE = 1 << 18, 1 << 19
# Sequences of a device for which it is: more are worth a matrix's rearranging, and the
# product of a single one is a sum of rows.
FEW = range(2, 64)


class Laid(NamedTuple):
  """Weights that a loop multiplies by in every step.

  Attributes:
    plain: as they are.
    turned: the kernel as a first factor, (columns, rows); None if nothing is gained.
  """

  plain: Params
  turned: Array | None = None


def lay(operation: Operation, weights: Params, xs: Inputs) -> Laid:
  """Prepares the weights of one product, once and outside of the loop.

  Args:
    operation: of the weights.
    weights: its parameters.
    xs: inputs of the layer, (time, batch, ...): how many sequences it multiplies at
      once, and on how many devices.
  """
  if operation is not dense or sequences_of_each(xs) not in FEW:
    return Laid(weights)
  kernel = weights["kernel"]
  large = LARGE_ALONE if devices(xs) == 1 else LARGE
  # Half precision is for devices that multiply it fast, which a CPU doesn't.
  if kernel.size < large or kernel.dtype.itemsize < 4:
    return Laid(weights)
  return Laid(weights, kernel.T)


def multiply(operation: Operation, laid: Laid, value: Array) -> Array:
  """The product, on CPU with the matrix first if it is laid so."""
  if laid.turned is None:
    return operation(laid.plain, value)

  def matrix_first(value):
    product = jnp.tensordot(laid.turned, value, (1, -1))
    # Else the compiler sees through it, and puts the sequences first again.
    hidden = lax.optimization_barrier(product)
    return add_bias(laid.plain, jnp.moveaxis(hidden, 0, -1))

  return lax.platform_dependent(
    value, cpu=matrix_first, default=lambda value: operation(laid.plain, value)
  )
