"""How soon tasks are solved: seeds that never solved theirs count, as censored."""

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from rnn_research.report.statistics import LEVEL


def median_with_interval(
  steps: Float[np.ndarray, "seeds"],
) -> tuple[float, float, float]:
  """Median and its 95% interval from order statistics; unsolved seeds at infinity.

  The k-th smallest and the k-th largest, with the largest k that covers the median
  with a probability of 95% whatever the distribution; with fewer than 6 seeds there
  is none, and the interval is (0, infinity).

  Args:
    steps: to solve the task; NaN where it was not solved.
  """
  ordered = np.sort(np.nan_to_num(np.asarray(steps, float), nan=np.inf))
  count = len(ordered)
  if not count:
    return math.nan, 0.0, math.inf
  middle = ordered[(count - 1) // 2], ordered[count // 2]
  median = middle[0] if math.isinf(middle[1]) and count % 2 else sum(middle) / 2
  # P(fewer than k of n below the median), for the end on either side.
  k = int(stats.binom.ppf((1 - LEVEL) / 2, count, 0.5))
  if k < 1:
    return float(median), 0.0, math.inf
  return float(median), float(ordered[k - 1]), float(ordered[count - k])


def logrank_p(
  first: Float[np.ndarray, "..."],
  second: Float[np.ndarray, "..."],
  ends: tuple[int, int],
) -> float:
  """Two-sided p of the log-rank test that two arms solve a task equally soon.

  Mantel 1966, from the normal distribution; 1 where the seeds say nothing, since
  none solved it or all did at the same step.

  Args:
    first: steps to solve; NaN where it was not solved.
    second: likewise of the other arm.
    ends: steps that each arm was trained for, at which its unsolved seeds are censored.
  """
  arms = (first, second)
  until = [np.nan_to_num(arm, nan=end) for arm, end in zip(arms, ends, strict=True)]
  surplus = variance = 0.0
  for step in np.unique(np.concatenate(arms)):
    if np.isnan(step):
      continue
    here, there = ((steps >= step).sum() for steps in until)
    solved = [(arm == step).sum() for arm in arms]
    share, waiting, now = here / (here + there), here + there, sum(solved)
    surplus += solved[0] - now * share
    if waiting > 1:
      variance += now * share * (1 - share) * (waiting - now) / (waiting - 1)
  if variance == 0:
    return 1.0
  return float(2 * stats.norm.sf(abs(surplus) / math.sqrt(variance)))


def mcnemar_p(
  first: Bool[np.ndarray, "seeds"], second: Bool[np.ndarray, "seeds"]
) -> float:
  """Two-sided p of McNemar's exact test, of the same seeds in two arms (1947).

  The smallest that it can give with n seeds is 2^(1 - n); 1 where none differs.
  """
  only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
  if only_first + only_second == 0:
    return 1.0
  return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)
