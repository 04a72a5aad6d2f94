"""Times of rounds to ratios: medians, their intervals, and means over entries.

A ratio is taken within each round, where both ran under the same conditions. Its
interval is the 95% percentile bootstrap of the median over rounds: rounds are drawn
with replacement, and the middle 95% of the medians of the draws is the interval. With
five rounds that is about the range of the ratios seen.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

RESAMPLES = 2000
COVERAGE = 0.95


class Ratio(NamedTuple):
  """A median ratio and its interval."""

  median: float
  low: float
  high: float

  @classmethod
  def of_row(cls, row: Mapping[str, Any]) -> "Ratio":
    """From the columns that `columns` made."""
    return cls(row["ratio"], row["ratio_low"], row["ratio_high"])

  def columns(self) -> dict[str, float]:
    """What it is in a row."""
    return {"ratio": self.median, "ratio_low": self.low, "ratio_high": self.high}

  def told(self, digits: int = 2) -> str:
    """The median and its interval, as they stand in a table."""
    median, low, high = (f"{value:.{digits}f}" for value in self)
    return f"{median} ({low}-{high})"

  @property
  def slower(self) -> bool:
    """Whether the whole interval says that the first takes longer."""
    return self.low > 1

  @property
  def faster(self) -> bool:
    """Whether the whole interval says that the first takes less time."""
    return self.high < 1


def ratio_of(times: Sequence[float], others: Sequence[float], seed: int = 0) -> Ratio:
  """Median over rounds of times / others.

  Args:
    times: one a round.
    others: those of the other in the same rounds.
    seed: of the resampling.
  """
  ratios = np.asarray(times, float) / np.asarray(others, float)
  draw = np.random.default_rng(seed)
  picks = draw.integers(len(ratios), size=(RESAMPLES, len(ratios)))
  medians = np.median(ratios[picks], axis=1)
  tail = (1 - COVERAGE) / 2
  low, high = np.quantile(medians, [tail, 1 - tail])
  return Ratio(float(np.median(ratios)), float(low), float(high))


def geometric_mean(values: Sequence[float]) -> float:
  """exp(mean(log)); NaN of nothing."""
  if not values:
    return math.nan
  return math.exp(sum(map(math.log, values)) / len(values))
