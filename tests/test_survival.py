"""Medians and tests with seeds that never solved their task."""

import math

import numpy as np
import pytest
from scipy import stats

from rnn_research.report.survival import logrank_p, mcnemar_p, median_with_interval

NAN = np.nan


def test_the_median_counts_unsolved_seeds_as_the_last():
  assert median_with_interval(np.array([3.0, NAN, 1.0]))[0] == 3
  assert median_with_interval(np.array([NAN, NAN, 1.0]))[0] == math.inf
  assert median_with_interval(np.array([4.0, 2.0, NAN, 1.0]))[0] == 3
  assert median_with_interval(np.array([4.0, NAN, NAN, 1.0]))[0] == math.inf
  assert median_with_interval(np.array([7.0] * 5))[1:] == (0, math.inf)


def test_its_interval_covers_the_median_as_often_as_it_says():
  """Of ten: the second to the ninth, 97.9%; the first to the tenth would be 99.8%."""
  median, low, high = median_with_interval(np.arange(10.0, 0, -1))
  assert (median, low, high) == (5.5, 2, 9)
  random = np.random.default_rng(0)
  hits = 0
  for draw in random.exponential(size=(2000, 17)):
    _, low, high = median_with_interval(draw)
    hits += low <= math.log(2) <= high
  # Of 17: the fifth to the thirteenth.
  wanted = 1 - 2 * stats.binom.cdf(4, 17, 0.5)
  assert wanted >= 0.95
  assert abs(hits / 2000 - wanted) < 0.015


def test_log_rank_is_that_of_scipy():
  """With ties within an arm and between them, and arms of different length."""
  random = np.random.default_rng(1)
  for _ in range(20):
    first, second = (random.integers(1, 20, n).astype(float) for n in (5, 8))
    first[first > 15] = NAN
    second[second > 17] = NAN
    samples = [
      stats.CensoredData(s[~np.isnan(s)], right=np.full(np.isnan(s).sum(), end))
      for s, end in ((first, 15.0), (second, 17.0))
    ]
    wanted = stats.logrank(*samples).pvalue
    np.testing.assert_allclose(logrank_p(first, second, (15, 17)), wanted, rtol=1e-9)


def test_log_rank_of_clear_cases():
  one_by_one = np.arange(1.0, 6)
  assert logrank_p(one_by_one, np.full(5, NAN), (9, 9)) < 0.01
  assert logrank_p(one_by_one, one_by_one, (9, 9)) == 1
  assert logrank_p(np.full(5, NAN), np.full(5, NAN), (9, 9)) == 1
  assert logrank_p(np.full(5, 3.0), np.full(5, 3.0), (9, 9)) == 1


@pytest.mark.parametrize(
  "only_first, only_second, p", [(5, 0, 2**-4), (0, 6, 2**-5), (2, 2, 1), (0, 0, 1)]
)
def test_mcnemar(only_first, only_second, p):
  """Seeds that both solved, or neither, say nothing."""
  both = [True] * 3 + [False] * 2
  first = np.array([True] * only_first + [False] * only_second + both)
  second = np.array([False] * only_first + [True] * only_second + both)
  np.testing.assert_allclose(mcnemar_p(first, second), p)
