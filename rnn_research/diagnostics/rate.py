"""Rate of a lag curve, and whether it has a half-life.

The mean over examples of (ln g_k2 - ln g_k1) / (k2 - k1). A log gain is a random walk
over the lags: a line fitted to it has residuals that say nothing about its slope, so
there is no fit here, and an interval is one over independent trainings.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rnn_research.array_types import AnyArray
from rnn_research.diagnostics.over_examples import namespace

AGREE = 0.25  # of the larger of two rates, which they may differ by


class Rate(NamedTuple):
  """How fast a gain falls or grows with the lag; natural logarithms per step.

  Attributes:
    rate: r over [first, last].
    early: over [last/4, last/2].
    late: over [last/2, last].
    exponential: whether `early` and `late` agree within a quarter. Where they don't,
      the slope is that of the window, not of the network.
    half_life: -ln 2 / r, steps; NaN where not exponential, or where nothing fades.
  """

  rate: Float[AnyArray, "..."]
  early: Float[AnyArray, "..."]
  late: Float[AnyArray, "..."]
  exponential: Bool[AnyArray, "..."]
  half_life: Float[AnyArray, "..."]


def rate(log: Float[AnyArray, "*seeds lags batch"], first: int, last: int) -> Rate:
  """The rate between two lags, and the half-life if there is one.

  Args:
    log: ln gain by lag from 0, as `loss_gain` or `rms_gain` return it.
    first: k1.
    last: k2 > k1, at least 4. Examples without a value at either are left out.
  """
  xp = namespace(log)

  # A true zero at both ends has no slope, and nothing to warn of.
  @np.errstate(invalid="ignore")
  def between(near, far):
    slopes = (log[..., far, :] - log[..., near, :]) / np.asarray(far - near, log.dtype)
    known = ~xp.isnan(slopes)
    number = known.sum(-1)
    total = xp.where(known, slopes, 0).sum(-1)
    mean = total / xp.maximum(number, 1).astype(log.dtype)
    return xp.where(number > 0, mean, xp.nan)

  whole = between(first, last)
  early = between(last // 4, last // 2)
  late = between(last // 2, last)
  larger = xp.maximum(abs(early), abs(late))
  with np.errstate(invalid="ignore"):
    agree = abs(early - late) <= AGREE * larger
  exponential = xp.isfinite(larger) & agree
  fading = exponential & (whole < 0)
  half_life = -math.log(2) / xp.where(fading, whole, -1)
  return Rate(whole, early, late, exponential, xp.where(fading, half_life, xp.nan))
