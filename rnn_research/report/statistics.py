"""Intervals and tests over seeds; every one names its assumption."""

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.95


class Interval(NamedTuple):
  """A mean over seeds and its 95% interval; NaN ends for fewer than two.

  Attributes:
    mean: over the finite values.
    low: lower end.
    high: upper end.
    count: finite values.
  """

  mean: float
  low: float
  high: float
  count: int


def mean_interval(values: Float[np.ndarray, "seeds"]) -> Interval:
  """Student's t interval of a mean; values that aren't finite are left out."""
  finite = np.asarray(values, float)
  finite = finite[np.isfinite(finite)]
  count = len(finite)
  if count < 2:
    mean = float(finite[0]) if count else math.nan
    return Interval(mean, math.nan, math.nan, count)
  mean = float(finite.mean())
  error = float(finite.std(ddof=1)) / math.sqrt(count)
  half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
  return Interval(mean, mean - half, mean + half, count)


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
  """Wilson's 95% score interval of a rate (Wilson 1927); (0, 1) for none."""
  if count == 0:
    return 0.0, 1.0
  z = float(stats.norm.ppf((1 + LEVEL) / 2))
  rate = successes / count
  scale = 1 + z * z / count
  centre = (rate + z * z / (2 * count)) / scale
  variance = rate * (1 - rate) / count + z * z / (4 * count * count)
  half = z * math.sqrt(variance) / scale
  return max(0.0, centre - half), min(1.0, centre + half)


def rate_difference(
  successes: tuple[int, int], counts: tuple[int, int]
) -> tuple[float, float]:
  """Newcombe's 95% interval of rate 0 minus rate 1, unpaired (1998, no. 10)."""
  rates = [s / n for s, n in zip(successes, counts, strict=True)]
  ends = [wilson_interval(s, n) for s, n in zip(successes, counts, strict=True)]
  (low0, high0), (low1, high1) = ends
  difference = rates[0] - rates[1]
  below = math.hypot(rates[0] - low0, high1 - rates[1])
  above = math.hypot(high0 - rates[0], rates[1] - low1)
  return difference - below, difference + above


def fisher_p(successes: tuple[int, int], counts: tuple[int, int]) -> float:
  """Two-sided p of Fisher's exact test that two rates are equal."""
  table = [[s, n - s] for s, n in zip(successes, counts, strict=True)]
  return float(stats.fisher_exact(table).pvalue)


def welch_difference(
  first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> tuple[Interval, float]:
  """Mean of `first` minus mean of `second`: Welch's interval and its p.

  Each is one value per seed; the two may differ in length.

  Raises:
    ValueError: fewer than two finite values on one side.
  """
  first, second = (x[np.isfinite(x)] for x in (first, second))
  if min(len(first), len(second)) < 2:
    raise ValueError("a difference of means needs two values on each side")
  difference = float(first.mean() - second.mean())
  if first.std() == 0 and second.std() == 0:
    p = float(difference == 0)
    return Interval(difference, difference, difference, len(first)), p
  test = stats.ttest_ind(first, second, equal_var=False)
  low, high = test.confidence_interval(LEVEL)
  interval = Interval(difference, float(low), float(high), len(first))
  return interval, float(test.pvalue)


def holm(p_values: list[float]) -> list[float]:
  """Holm's adjusted p values of one family, in the order given (1979)."""
  order = np.argsort(p_values, kind="stable")
  adjusted = [math.nan] * len(p_values)
  running = 0.0
  for rank, index in enumerate(order):
    running = max(running, (len(p_values) - rank) * p_values[index])
    adjusted[index] = min(1.0, running)
  return adjusted


def median(values: Float[np.ndarray, "..."], axis: int) -> Float[np.ndarray, "..."]:
  """Median of the values that aren't NaN; NaN where there are none."""
  with warnings.catch_warnings():
    # numpy warns of slices without a value; here they are a result
    warnings.simplefilter("ignore", RuntimeWarning)
    return np.asarray(np.nanmedian(values, axis=axis))
