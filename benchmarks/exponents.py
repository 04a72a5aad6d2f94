"""How a time grows with a size: the exponent of a power law through the times.

The exponent is the slope of the least-squares line through log(time) against
log(size), a time being the median over rounds. Its interval is the 95% percentile
bootstrap over rounds: the rounds are drawn with replacement, the same ones for all
sizes, because what happened to the machine in a round happened to all.

Any times have a slope. How far they are from a power law, and how far from an
exponential, says which of the two they follow.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.ratios import COVERAGE, RESAMPLES


class Exponent(NamedTuple):
  """A slope on log axes and its interval."""

  slope: float
  low: float
  high: float


def fit_exponent(
  sizes: Sequence[float], times: Sequence[Sequence[float]], seed: int = 0
) -> Exponent:
  """Fits time = constant * size**exponent.

  Args:
    sizes: two at least, all different.
    times: for each size, one a round, of the same rounds.
    seed: of the resampling.

  Raises:
    ValueError: there is no slope through so few sizes.
  """
  if len(set(sizes)) < 2:
    raise ValueError(f"{len(set(sizes))} size has no slope; give two at least")
  taken = np.asarray(times, float)
  count = taken.shape[1]
  picks = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
  # (size, resample)
  medians = np.median(taken[:, picks], axis=2)
  slopes = _slope(sizes, medians)
  tail = (1 - COVERAGE) / 2
  low, high = np.quantile(slopes, [tail, 1 - tail])
  whole = _slope(sizes, np.median(taken, axis=1)[:, None])
  return Exponent(float(whole[0]), float(low), float(high))


def misfits(
  sizes: Sequence[float], times: Sequence[Sequence[float]]
) -> tuple[float, float]:
  """How far the medians are from a power law and from an exponential of the size.

  Each is the root mean square of what the best line leaves of log(time), on log(size)
  or on size, as a share: 0.1 is 10% of the time. Two sizes fit both.

  Args:
    sizes: of each time.
    times: for each size, one a round.
  """
  logs = np.log(np.median(np.asarray(times, float), axis=1))
  size = np.asarray(sizes, float)

  def left(x):
    rest = logs - np.polyval(np.polyfit(x, logs, 1), x)
    return float(np.expm1(np.sqrt(np.mean(rest**2))))

  return left(np.log(size)), left(size)


def _slope(sizes, times):
  """Of each column."""
  x = np.log(np.asarray(sizes, float))
  x -= x.mean()
  return x @ np.log(times) / (x @ x)
