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


def by_hand(first, second, ends):
  """Mantel's sum over the events, tied ones together."""
  times, events = [], []
  for steps, end in zip((first, second), ends, strict=True):
    times.append(np.where(np.isnan(steps), end, steps))
    events.append(~np.isnan(steps))
  observed = expected = variance = 0.0
  for time in np.unique(np.concatenate([first, second])):
    at_risk = [(t >= time).sum() for t in times]
    happened = [((t == time) & e).sum() for t, e in zip(times, events, strict=True)]
    n, d = sum(at_risk), sum(happened)
    observed += happened[0]
    expected += d * at_risk[0] / n if n else 0
    if n > 1:
      share = at_risk[0] / n
      variance += d * share * (1 - share) * (n - d) / (n - 1)
  return 2 * stats.norm.sf(abs(observed - expected) / math.sqrt(variance))


def test_log_rank():
  first = np.array([300.0, 400.0, 400.0, NAN, 900.0])
  second = np.array([700.0, NAN, 1500.0, NAN, 400.0])
  ends = (1000, 2000)
  p = logrank_p(first, second, ends)
  assert abs(p - by_hand(first, second, ends)) < 1e-12
  assert 0.05 < p < 0.5
  sooner = logrank_p(np.arange(1.0, 6), np.full(5, NAN), (9, 9))
  assert abs(sooner - by_hand(np.arange(1.0, 6), np.full(5, NAN), (9, 9))) < 1e-12
  assert sooner < 0.01
  assert logrank_p(np.full(5, NAN), np.full(5, NAN), (9, 9)) == 1


@pytest.mark.parametrize(
  "only_first, only_second, p", [(5, 0, 2**-4), (0, 6, 2**-5), (2, 2, 1), (0, 0, 1)]
)
def test_mcnemar(only_first, only_second, p):
  """Seeds that both solved, or neither, say nothing."""
  both = [True] * 3 + [False] * 2
  first = np.array([True] * only_first + [False] * only_second + both)
  second = np.array([False] * only_first + [True] * only_second + both)
  np.testing.assert_allclose(mcnemar_p(first, second), p)
