"""Large matrices, a line between their rows, which else share their places in a cache.

A cache keeps a line in one of few places that the low bits of its address name. Where
rows are a multiple of 4 KB long (1,024 units, or the four gates of 256), the entries of
a column all have the same, and drive each other out: a product of few sequences then
fetches the matrix several times over. With one line more in every row they have not.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

from rnn_research.array_types import Array, Params
from rnn_research.cells import dense
from rnn_research.cells.cell import Operation

PERIOD = 4096  # bytes after which addresses share a place in a core's first cache
LINE = 64  # bytes of a cache line
LARGE = 1 << 19  # entries from which a matrix outgrows the second one
# Sequences of a device from which a row is used so often, once it is there, that it
# doesn't matter; a single one uses every row once.
FEW = range(2, 64)


class Laid(NamedTuple):
  """Weights that a loop multiplies by in every step.

  Attributes:
    plain: as they are.
    spread: the same behind a line of zeros in every row; None if nothing is gained.
  """

  plain: Params
  spread: Params | None = None


def lay(operation: Operation, weights: Params, sequences: int) -> Laid:
  """Prepares the weights of one product, once and outside of the loop.

  Args:
    operation: of the weights.
    weights: its parameters.
    sequences: that one device multiplies at once.
  """
  if operation is not dense or sequences not in FEW or not _crowded(weights["kernel"]):
    return Laid(weights)
  kernel = weights["kernel"]
  # In front: `dense` gives a bias that is shorter than its kernel to the last columns.
  zeros = LINE // kernel.dtype.itemsize
  return Laid(weights, weights | {"kernel": jnp.pad(kernel, ((0, 0), (zeros, 0)))})


def multiply(operation: Operation, laid: Laid, value: Array) -> Array:
  """The product, on CPU with the matrix that is laid apart if there is one."""
  if laid.spread is None:
    return operation(laid.plain, value)
  columns = laid.plain["kernel"].shape[-1]
  return lax.platform_dependent(
    value,
    cpu=lambda value: operation(laid.spread, value)[..., -columns:],
    default=lambda value: operation(laid.plain, value),
  )


def _crowded(kernel: Array) -> bool:
  """Whether it is large, and a row as long as to share its place with the next."""
  row = kernel.shape[-1] * kernel.dtype.itemsize
  explicit = AxisType.Explicit in jax.typeof(kernel).sharding.mesh.axis_types
  return kernel.size >= LARGE and row % PERIOD == 0 and not explicit
