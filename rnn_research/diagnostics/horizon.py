"""Horizon of a lag curve: from where on the gain stays below a threshold.

The last crossing, not the first: a gain can dip and come back. A chaotic network has
no horizon at all, so a long one is no merit by itself.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int

from rnn_research.array_types import AnyArray
from rnn_research.diagnostics.over_examples import namespace


class Horizon(NamedTuple):
  """Where a gain falls below a threshold for good.

  Attributes:
    lag: the smallest lag from which on the gain stays at or below it; NaN if there is
      none.
    censored: whether the gain is still above it at the longest lag: then the horizon is
      "> longest", and not infinite.
    longest: the longest lag with a value; -1 if no lag has one.
    largest: the largest gain at any lag, as the curve is given.
  """

  lag: Float[AnyArray, "..."]
  censored: Bool[AnyArray, "..."]
  longest: Int[AnyArray, "..."]
  largest: Float[AnyArray, "..."]


def horizon(log: Float[AnyArray, "*seeds lags"], threshold: float) -> Horizon:
  """The horizon of a curve, which is best the median over examples.

  Args:
    log: logarithm of the gain by lag from 0; NaN where there is none, minus infinity
      where nothing is left.
    threshold: in the same logarithm.
  """
  xp = namespace(log)
  lags = xp.arange(log.shape[-1])
  known = ~xp.isnan(log)
  longest = xp.where(known, lags, -1).max(-1)
  last_above = xp.where(known & (log > threshold), lags, -1).max(-1)
  censored = (last_above == longest) & (longest >= 0)
  found = (longest >= 0) & ~censored
  largest = xp.where(known, log, -xp.inf).max(-1)
  return Horizon(
    lag=xp.where(found, (last_above + 1).astype(log.dtype), xp.nan),
    censored=censored,
    longest=longest,
    largest=xp.where(longest >= 0, largest, xp.nan),
  )
