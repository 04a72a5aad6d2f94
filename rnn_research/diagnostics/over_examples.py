"""Reducing a figure per example to a few over all examples, in log space."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from rnn_research.array_types import AnyArray


class Curves(NamedTuple):
  """Log10 of a positive figure over the examples; leading axes are free.

  NaN where no example has a value; minus infinity where it is exactly zero.

  Attributes:
    median: the middle example.
    q10: a tenth of the examples lie below.
    q90: a tenth of the examples lie above.
    rms: root mean square, dominated by the largest.
  """

  median: Float[AnyArray, "..."]
  q10: Float[AnyArray, "..."]
  q90: Float[AnyArray, "..."]
  rms: Float[AnyArray, "..."]


def over_examples(
  log: Float[AnyArray, "... batch"], valid: Bool[AnyArray, "... batch"]
) -> Curves:
  """Quantiles and root mean square over the last axis.

  Of JAX's arrays inside a program, or of NumPy's behind one: a sort takes longer on the
  device than what is sorted, and over a batch that is spread it needs a transfer.

  Args:
    log: natural logarithms; minus infinity is a true zero.
    valid: which examples count. A NaN that counts is an example without value: it
      is left out here and shows in the non-finite marks.
  """
  xp = namespace(log)
  counts = valid & ~xp.isnan(log)
  number = counts.sum(-1)
  # Sorted with what doesn't count at the end: a quantile is then one entry, and no
  # interpolation meets an infinity.
  ordered = xp.sort(xp.where(counts, log, xp.inf), axis=-1)

  def quantile(q):
    index = xp.round(q * (number - 1).astype(log.dtype)).astype(np.int32)
    index = xp.maximum(index, 0)[..., None]
    return xp.take_along_axis(ordered, index, axis=-1)[..., 0]

  doubled = xp.where(counts, 2 * log, -xp.inf)
  largest = doubled.max(-1, initial=-xp.inf)
  shift = xp.where(xp.isfinite(largest), largest, 0)
  total = xp.exp(doubled - shift[..., None]).sum(-1)
  # Where all are a true zero, so is the root; where one is infinite, that is it.
  positive = xp.log(xp.where(total > 0, total, 1))
  squares = xp.where(xp.isfinite(largest), shift + positive, largest)
  rms = (squares - xp.log(xp.maximum(number, 1).astype(log.dtype))) / 2

  def finish(value):
    return xp.where(number > 0, value, xp.nan) / xp.log(
      xp.full((), 10, dtype=log.dtype)
    )

  return Curves(
    median=finish(quantile(0.5)),
    q10=finish(quantile(0.1)),
    q90=finish(quantile(0.9)),
    rms=finish(rms),
  )


def namespace(array: AnyArray) -> Any:
  """NumPy for its own arrays, and else `jax.numpy`."""
  return np if isinstance(array, np.ndarray) else jnp
