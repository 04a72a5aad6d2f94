"""Reducing a figure per example to a few over all examples, in log space."""

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array


class Curves(NamedTuple):
  """Log10 of a positive figure over the examples; leading axes are free.

  NaN where no example has a value; minus infinity where it is exactly zero.

  Attributes:
    median: the middle example.
    q10: a tenth of the examples lie below.
    q90: a tenth of the examples lie above.
    rms: root mean square, dominated by the largest.
  """

  median: Float[Array, "..."]
  q10: Float[Array, "..."]
  q90: Float[Array, "..."]
  rms: Float[Array, "..."]


def over_examples(
  log: Float[Array, "... batch"], valid: Bool[Array, "... batch"]
) -> Curves:
  """Quantiles and root mean square over the last axis.

  Args:
    log: natural logarithms; minus infinity is a true zero.
    valid: which examples count. A NaN that counts is an example without value: it
      is left out here and shows in the non-finite marks.
  """
  counts = valid & ~jnp.isnan(log)
  number = counts.sum(-1)
  # Sorted with what doesn't count at the end: a quantile is then one entry, and no
  # interpolation meets an infinity.
  ordered = jnp.sort(jnp.where(counts, log, jnp.inf), axis=-1)

  def quantile(q):
    index = jnp.round(q * (number - 1).astype(log.dtype)).astype(jnp.int32)
    index = jnp.maximum(index, 0)[..., None]
    return jnp.take_along_axis(ordered, index, axis=-1)[..., 0]

  squares = logsumexp(jnp.where(counts, 2 * log, -jnp.inf), axis=-1)
  rms = (squares - jnp.log(jnp.maximum(number, 1).astype(log.dtype))) / 2

  def finish(value):
    return jnp.where(number > 0, value, jnp.nan) / jnp.log(10.0).astype(log.dtype)

  return Curves(
    median=finish(quantile(0.5)),
    q10=finish(quantile(0.1)),
    q90=finish(quantile(0.9)),
    rms=finish(rms),
  )
