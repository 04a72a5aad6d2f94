"""Doses of cures: what is declared can run, and what is told is what was recorded."""

import numpy as np
import pytest
from absl.testing import flagsaver

from experiments import cures
from rnn_research.report.doses import responses
from rnn_research.report.lead import sentence
from rnn_research.report.records import Run, Series, Stack
from rnn_research.report.study import THRESHOLDS, Arm, Study
from rnn_research.validation import validate


@pytest.fixture(params=["as_it_is", "tiny"])
def plan(request):
  with flagsaver.flagsaver(tiny=request.param == "tiny"):
    yield cures.make_plan()


def test_every_setting_of_every_cure_can_run(plan):
  names = [arm.name for arm in plan.arms]
  assert len(set(names)) == len(names)
  for arm in plan.arms:
    validate(arm.config)
  for entry in plan.doses:
    assert len(entry["settings"]) == len(entry["arms"]) >= 3
    assert set(entry["arms"]) <= set(names)


def test_settings_of_a_cure_differ_in_their_configs(plan):
  for entry in plan.doses:
    own = [arm.config for arm in plan.arms if arm.name in entry["arms"]]
    assert all(a != b for n, a in enumerate(own) for b in own[:n])


def a_study(toward, *doses):
  """One cure whose number is given, one row of values a dose."""
  nothing = Stack(np.zeros(0, int), {})
  arms = []
  for n, values in enumerate(doses):
    seeds = [{"seed": s} for s in range(len(values))]
    error = [0.0] * n + [1.0] * (len(values) - n)
    series = {
      "number/layer_0": Series(np.array([0, 5]), np.array([np.full(3, 9.0), values])),
      "lag/layer_0/loss/log10": Series(np.array([0]), np.zeros((1, len(values)))),
    }
    status = {"state": "finished", "seeds": seeds, "final": {"error": error}}
    empty = dict.fromkeys(Run._fields, nothing)
    own = {"path": None, "config": {}, "environment": {}, "faults": ()}
    run = Run(**empty | own | {"status": status, "series": series})
    arms.append(Arm(f"a{n}", "", "dose", "order", 30, "rnn", "k", float(n), run))
  entry = {
    "name": "cure",
    "paper": "",
    "knob": "k",
    "settings": [str(n) for n in range(len(doses))],
    "arms": [arm.name for arm in arms],
    "measure": "number",
    "series": "number/LAYER",
    "at": "end",
    "toward": toward,
  }
  protocol = {"doses": [entry]}
  return Study(None, protocol, tuple(arms), {}, dict(THRESHOLDS), ())


@pytest.mark.parametrize(
  "toward, first, last, moved",
  [
    ("up", [1.0, 2.0, 3.0], [2.0, 3.1, 3.9], True),
    ("down", [1.0, 2.0, 3.0], [2.0, 3.1, 3.9], False),
    ("zero", [-1.0, 1.2, -0.9], [0.1, -0.2, 0.1], True),
    ("one", [0.2, 0.3, 0.1], [0.9, 1.1, 1.05], True),
    ("up", [1.0, 2.0, 3.0], [2.0, 1.0, 3.0], None),
  ],
)
def test_a_number_has_moved_where_the_paired_interval_says_so(
  toward, first, last, moved
):
  (found,) = responses(a_study(toward, np.array(first), np.array(last)))
  assert found.moved is moved
  assert [dose.outcome.wins for dose in found.doses] == [0, 1]
  np.testing.assert_array_equal(found.doses[1].number, last)


def test_the_change_is_the_mean_of_paired_differences():
  first, last = np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.5, 6.0])
  (found,) = responses(a_study("up", first, last))
  np.testing.assert_allclose(found.change.mean, -np.mean(last - first))
  # All eight sign patterns: two of them are as extreme.
  np.testing.assert_allclose(found.p, 2 / 8)


@pytest.mark.parametrize(
  "toward, told", [("up", "1 of 1 cures"), ("down", "0 of 1 cures")]
)
def test_the_page_begins_with_what_moved_and_what_was_solved(toward, told):
  text = sentence(a_study(toward, np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.1, 3.9])))
  assert text.startswith(told)
  assert ("not seen to: cure" in text) == (toward == "down")
  assert text.endswith("under 1 of them, fewer under 0.")
