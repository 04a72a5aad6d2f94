"""The sum over time and batch of h (x) dz: the gradient of a dense kernel."""

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Array

# On CPU the product of more than so many entries is formed piece by piece: it copies
# the values first, and pieces of this size find room in a core's cache.
LARGE = 1 << 22
PIECE = 1 << 17


def outer_products(values: Array, cotangents: Array, kernel: Array) -> Array:
  """Sums h_t^b (x) dz_t^b over all steps t and examples b.

  Args:
    values: h, (time, batch, rows).
    cotangents: dz, (time, batch, columns).
    kernel: whose gradient this is a part of; gives dtype and sharding.
  """
  sharding = jax.typeof(kernel).sharding
  explicit = jax.sharding.AxisType.Explicit in sharding.mesh.axis_types
  dtype = max(values.dtype, cotangents.dtype, key=lambda dtype: dtype.itemsize)
  half = dtype.itemsize < 4

  def at_once(values, cotangents):
    # Written out: with the axes in this order no operand is copied (einsum's order
    # is twice as slow on CPU), and unlike a reshape it keeps a batch that is sharded.
    return lax.dot_general(
      values.astype(dtype),
      cotangents.astype(dtype),
      (((0, 1), (0, 1)), ((), ())),
      preferred_element_type=jnp.float32 if half else dtype,
      out_sharding=sharding if explicit else None,
    )

  def in_pieces(values, cotangents):
    steps = _divisor(values.shape[0], PIECE * values.shape[0] // values.size)
    count = values.shape[0] // steps

    def piece(total, number):
      taken = [
        lax.dynamic_slice_in_dim(leaf, number * steps, steps)
        for leaf in (values, cotangents)
      ]
      return total + at_once(*taken), None

    total = jnp.zeros(
      (values.shape[-1], cotangents.shape[-1]), jnp.float32 if half else dtype
    )
    if steps * count < values.shape[0]:
      total = at_once(values[count * steps :], cotangents[count * steps :])
    return lax.scan(piece, total, jnp.arange(count))[0]

  if explicit or values.size <= LARGE:
    total = at_once(values, cotangents)
  else:
    total = lax.platform_dependent(values, cotangents, cpu=in_pieces, default=at_once)
  return total.astype(kernel.dtype)


def _divisor(time: int, most: int) -> int:
  """The largest divisor of `time` up to `most`, unless it is half as large."""
  most = min(max(1, most), time)
  for steps in range(most, most // 2, -1):
    if time % steps == 0:
      return steps
  return most
