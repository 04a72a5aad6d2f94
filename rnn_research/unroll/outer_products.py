"""Sums over time and batch: of h (x) dz for a dense kernel, of dz for its bias."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType

from rnn_research.array_types import Array
from rnn_research.unroll.splitting import may_be_split

# A product over time and batch copies its values first, which is the faster way until
# a factor outgrows the caches: from so many entries on both are left where they lie.
# The values count fourfold, being what is copied.
LARGE = 1 << 22


def outer_products(values: Array, cotangents: Array, kernel: Array) -> Array:
  """Sums h_t^b (x) dz_t^b over all steps t and examples b.

  Args:
    values: h, (time, batch, rows).
    cotangents: dz, (time, batch, columns).
    kernel: whose gradient this is a part of; gives dtype and sharding.
  """
  sharding = jax.typeof(kernel).sharding
  explicit = AxisType.Explicit in sharding.mesh.axis_types
  dtype = max(values.dtype, cotangents.dtype, key=lambda dtype: dtype.itemsize)
  half = dtype.itemsize < 4
  summed = (0, 1)
  if max(4 * values.size, cotangents.size) > LARGE and not may_be_split(values):
    # One axis is multiplied without a copy; of a batch that is split over devices,
    # joining it with the time would gather all of it on each.
    values, cotangents = (
      leaf.reshape(-1, leaf.shape[-1]) for leaf in (values, cotangents)
    )
    summed = (0,)
  # Written out: with the axes in this order no cotangent is copied (einsum's order is
  # twice as slow on CPU).
  total = lax.dot_general(
    values.astype(dtype),
    cotangents.astype(dtype),
    ((summed, summed), ((), ())),
    preferred_element_type=jnp.float32 if half else dtype,
    out_sharding=sharding if explicit else None,
  )
  return total.astype(kernel.dtype)


def sum_of_steps(cotangents: Array) -> Array:
  """Sums dz_t^b over all steps t and examples b, in float32 or wider.

  Args:
    cotangents: dz, (time, batch, columns).
  """
  # Over time as a product with ones: the plain sum takes longer on CPU. Not over both,
  # as a split batch is then added up within each device first.
  half = cotangents.dtype.itemsize < 4
  of_examples = lax.dot_general(
    jnp.ones(len(cotangents), cotangents.dtype),
    cotangents,
    (((0,), (0,)), ((), ())),
    precision=lax.Precision.HIGHEST,  # a sum, which accelerators don't round in parts
    preferred_element_type=jnp.float32 if half else cotangents.dtype,
  )
  return of_examples.sum(0)
