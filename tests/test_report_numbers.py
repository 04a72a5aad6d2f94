"""What the report computes from records: intervals, outcomes, episodes."""

import json
import math

import numpy as np
import pytest
from scipy import integrate, stats

from rnn_research.report import statistics, wording
from rnn_research.report.episodes import (
  count_episodes,
  find_episodes,
  running_median,
)
from rnn_research.report.gains import largest, nothing_left, verdict
from rnn_research.report.outcomes import outcome, steps_to_solve
from rnn_research.report.records import Series, read_run
from rnn_research.report.study import THRESHOLDS

# --- statistics ---------------------------------------------------------------


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (3, 10), (20, 20)])
def test_wilson_interval_is_scipys(successes, count):
  test = stats.binomtest(successes, count)
  expected = test.proportion_ci(0.95, method="wilson")
  found = statistics.wilson_interval(successes, count)
  np.testing.assert_allclose(found, expected, atol=1e-12)


def test_wilson_ends_solve_the_score_equation():
  low, high = statistics.wilson_interval(7, 9)
  for end in (low, high):
    z = (7 / 9 - end) / math.sqrt(end * (1 - end) / 9)
    assert abs(z) == pytest.approx(1.959963984540054, rel=1e-9)
  assert statistics.wilson_interval(0, 0) == (0.0, 1.0)


def test_t_interval_is_scipys_and_leaves_out_what_is_not_finite():
  values = np.array([0.2, 1.3, np.nan, -0.7, 2.1, np.inf])
  finite = values[np.isfinite(values)]
  mean, low, high, count = statistics.mean_interval(values)
  expected = stats.ttest_1samp(finite, 0).confidence_interval(0.95)
  np.testing.assert_allclose([low, high], expected)
  assert (mean, count) == (pytest.approx(finite.mean()), 4)


def test_t_interval_of_two_values_is_the_closed_form():
  # with one degree of freedom t is Cauchy: its 97.5% point is tan(0.475 pi)
  _, low, high, _ = statistics.mean_interval(np.array([1.0, 3.0]))
  assert high - 2 == pytest.approx(math.tan(0.475 * math.pi))
  assert 2 - low == pytest.approx(high - 2)
  assert math.isnan(statistics.mean_interval(np.array([1.0])).low)


def test_t_interval_covers_as_often_as_it_says():
  draws = np.random.default_rng(0).normal(size=(4000, 5))
  rows = [statistics.mean_interval(row) for row in draws]
  covered = np.mean([row.low < 0 < row.high for row in rows])
  # four binomial standard deviations
  assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_rate_difference_is_newcombes_example():
  # Newcombe 1998, table II, method 10: 56/70 against 48/80
  low, high = statistics.rate_difference((56, 48), (70, 80))
  assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


def test_fisher_of_ten_against_five_is_the_hypergeometric_sum():
  # 10/10 against 5/10: both tails hold one table each of probability
  # C(10,10) C(10,5) / C(20,15)
  expected = 2 * math.comb(10, 5) / math.comb(20, 15)
  assert statistics.fisher_p((10, 5), (10, 10)) == pytest.approx(expected)


def test_welch_agrees_with_its_formula():
  first, second = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 1.0, 9.0])
  variances = first.var(ddof=1) / 3, second.var(ddof=1) / 4
  error = math.sqrt(sum(variances))
  freedom = error**4 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
  difference, p = statistics.welch_difference(first, second)
  scaled = abs(first.mean() - second.mean()) / error
  tail, _ = integrate.quad(stats.t(freedom).pdf, scaled, np.inf)
  assert p == pytest.approx(2 * tail, rel=1e-6)
  assert difference.mean == pytest.approx(first.mean() - second.mean())
  half = stats.t.ppf(0.975, freedom) * error
  assert difference.high - difference.mean == pytest.approx(half)


def test_holm_steps_down_and_never_reverses():
  assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
  assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
  assert statistics.holm([]) == []


# --- outcomes -----------------------------------------------------------------


def test_steps_to_solve_needs_three_evaluations_in_a_row():
  errors = np.array(
    [
      # solves at 30; two are not enough; dips out once; never
      [0.5, 0.0, 0.0, 0.5],
      [0.5, 0.0, 0.5, 0.5],
      [0.5, 0.5, 0.0, 0.5],
      [0.0, 0.0, 0.0, 0.5],
      [0.0, 0.0, 0.0, 0.5],
      [0.0, 0.5, 0.0, 0.5],
    ]
  )
  series = Series(np.arange(6) * 10, errors)
  found = steps_to_solve(series, 0.01)
  np.testing.assert_array_equal(found, [30, np.nan, 20, np.nan])


def test_outcome_counts_solved_ever_and_lost(tmp_path):
  rows = [[0.75] * 4, [0.0, 0.0, 0.75, 0.0], [0.0, 0.0, None, 0.75]]
  lines = [
    json.dumps({"step": 100 * i, "eval/error": row}) for i, row in enumerate(rows)
  ]
  (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
  seeds = [{"seed": s, "diverged_at": None} for s in range(4)]
  status = {
    "state": "finished",
    "seeds": seeds,
    "final": {"error": [0.009, 0.3, None, 0.01]},
  }
  (tmp_path / "status.json").write_text(json.dumps(status))
  result = outcome(read_run(tmp_path), 0.01)
  assert (result.wins, result.count, result.lost) == (1, 4, 2)
  np.testing.assert_array_equal(result.ever, [True, True, False, True])
  status["final"] = None
  (tmp_path / "status.json").write_text(json.dumps(status))
  running = outcome(read_run(tmp_path), 0.01)
  assert (running.wins, running.count, running.lost) == (0, 0, 0)


# --- episodes -----------------------------------------------------------------


def quiet(length=600):
  """Norm 1 and loss 1 at steps 1, 2, ..."""
  return np.arange(1, length + 1), np.ones(length), np.ones(length)


def test_running_median_is_the_median_of_the_last_window():
  values = np.random.default_rng(0).normal(size=50)
  expected = [np.median(values[max(0, i - 6) : i + 1]) for i in range(50)]
  np.testing.assert_allclose(running_median(values, 7), expected)


def test_no_episode_below_ten_times_the_median():
  steps, norms, losses = quiet()
  norms[300] = 9.9
  assert find_episodes(steps, norms, losses, THRESHOLDS) == []
  norms[300] = 10.1
  assert len(find_episodes(steps, norms, losses, THRESHOLDS)) == 1


@pytest.mark.parametrize(
  ("away", "fate"), [(49, "recovered"), (50, "late"), (299, "unrecovered")]
)
def test_recovered_means_loss_back_within_fifty_steps(away, fate):
  steps, norms, losses = quiet()
  norms[300] = 40.0
  losses[300 : 301 + away] = 3.0
  (episode,) = find_episodes(steps, norms, losses, THRESHOLDS)
  assert (episode.start, episode.end, episode.largest) == (301, 301, 40.0)
  assert episode.fate == fate


@pytest.mark.parametrize(("floor", "fate"), [(0.0, "unrecovered"), (0.2, "recovered")])
def test_a_loss_below_the_floor_is_back(floor, fate):
  steps, norms, losses = quiet()
  losses[:300] = 0.001
  norms[300] = 40.0
  losses[300:] = 0.1
  (episode,) = find_episodes(steps, norms, losses, THRESHOLDS, floor)
  assert episode.fate == fate


def test_stretches_within_twenty_steps_are_one_episode():
  steps, norms, losses = quiet()
  norms[[300, 320, 341]] = 20.0
  found = find_episodes(steps, norms, losses, THRESHOLDS)
  assert [(e.start, e.end) for e in found] == [(301, 321), (342, 342)]


def test_the_median_follows_a_norm_that_stays_large():
  steps, norms, losses = quiet()
  norms[300:] = 20.0
  (episode,) = find_episodes(steps, norms, losses, THRESHOLDS)
  # half of the 200-step window is large at the 100th large step
  assert (episode.start, episode.end) == (301, 399)


def test_an_episode_at_the_end_is_cut_and_a_divergence_is_not():
  steps, norms, losses = quiet()
  norms[590] = 20.0
  losses[590:] = 3.0
  (cut,) = find_episodes(steps, norms, losses, THRESHOLDS)
  assert cut.fate == "cut"
  losses[595:] = np.nan
  (fatal,) = find_episodes(steps, norms, losses, THRESHOLDS)
  assert (fatal.fate, fatal.start, fatal.end) == ("unrecovered", 591, 596)
  tally = count_episodes(([cut], [fatal], []))
  assert tally == (2, 0, 0, 1, 1, 1)


# --- gains --------------------------------------------------------------------


def test_verdict_looks_at_the_interval_and_not_at_the_mean():
  close = np.array([-0.01, 0.0, 0.01])
  assert verdict(close - 4, 3.0) == "fades"
  assert verdict(close + 4, 3.0) == "blows up"
  assert verdict(close, 3.0) == "passes"
  assert verdict(100 * close - 4, 3.0) == "undetermined"
  assert verdict(np.array([-4.0, np.nan]), 3.0) == "no value"


@pytest.mark.parametrize(
  "others, word",
  [
    ([-4.1, -4.0, -3.9], "fades"),
    ([-2.8, -2.7, -2.6], "undetermined"),
    ([3.9, 4.0, 4.1], "undetermined"),
    ([-2.7], "undetermined"),
    ([np.nan], "fades"),
  ],
)
def test_a_seed_with_nothing_left_is_never_left_out(others, word):
  values = np.array([-np.inf, *others, -np.inf])
  assert verdict(values, 3.0) == word
  assert nothing_left(values) == f"nothing left in 2 of {len(values)} seeds"
  np.testing.assert_array_equal(
    largest(np.array([[-np.inf, np.nan, -2.0], [np.nan, np.nan, -np.inf]])),
    [-np.inf, np.nan, -2.0],
  )


def test_portion_says_a_gain_in_words():
  assert wording.portion(-math.log10(81234)) == "1/81,000"
  assert wording.portion(-math.log10(3.16)) == "1/3.2"
  assert wording.portion(-math.log10(6.3e6)) == "1/6.3 million"
  assert wording.portion(-12.2) == "10⁻¹²"
  assert wording.portion(0.004) == "all"
  assert wording.portion(math.log10(25)) == "25 times as much"
  assert wording.portion(60.1) == "10⁶⁰ times as much"
  assert wording.portion(320.4) == "10³²⁰ times as much"
