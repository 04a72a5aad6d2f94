"""The figure of unsolved seeds: its counts, its medians and the curve as drawn."""

import json

import fake_study
import numpy as np
import pytest

from rnn_research.report.figures import survival
from rnn_research.report.study import read_study


def test_seeds_at_risk_are_those_not_solved_yet():
  """A seed leaves at the step at which it was solved; one that never was stays."""
  steps = np.array([0.0, 100.0, 200.0, 300.0])
  solved_at = np.array([100.0, 300.0, np.nan])
  assert survival.unsolved(solved_at, steps).tolist() == [3, 2, 2, 1]


@pytest.fixture(scope="module")
def study_path(tmp_path_factory):
  return fake_study.write_study(tmp_path_factory.mktemp("survival") / "study")


def test_rows_hold_curve_and_risk_table(study_path):
  picture = survival.draw(read_study(study_path))
  (axes,) = picture.figure.axes
  arms = [arm for arm in fake_study.ARMS if arm.group == "synthetic"]
  assert [arm.name for arm in picture.arms] == [arm.name for arm in arms]
  labels = [tick.get_text() for tick in axes.get_yticklabels()]
  assert labels == [arm.label for arm in reversed(arms)]
  numbers = [text.get_text() for text in axes.texts]
  for row, arm in enumerate(reversed(arms)):
    left = fake_study.SEEDS - arm.solved
    column = numbers[row * survival.COLUMNS : (row + 1) * survival.COLUMNS]
    # Evaluations at 0, 100, 200, 300 and 400; solved seeds are so from 300 on.
    assert column == [str(fake_study.SEEDS)] * 3 + [str(left)] * 2
    heights = axes.lines[row].get_ydata() - row
    assert heights[0] == pytest.approx(survival.HEIGHT)
    share = survival.HEIGHT * left / fake_study.SEEDS
    assert heights[-1] == pytest.approx(share)


def test_caption_counts_solved_seeds_and_their_median(study_path):
  picture = survival.draw(read_study(study_path))
  solved = sum(arm.solved for arm in fake_study.ARMS if arm.group == "synthetic")
  assert picture.title == f"{solved} of 20 seeds solve the task on the way"
  text = " ".join(picture.caption)
  assert "tanh RNN: 1 of 4 solved, median step not reached" in text
  assert "LSTM: 3 of 4 solved, median step 300" in text


def test_a_run_that_stopped_is_judged_by_its_own_rule(study_path, tmp_path):
  """Its records end at the first success: never three evaluations in a row."""
  path = fake_study.write_study(tmp_path / "study")
  folder = path / "runs" / "lstm"
  (folder / "config.json").write_text(json.dumps({"train": {"stop_when_solved": 1}}))
  status = json.loads((folder / "status.json").read_text())
  for seed, at in zip(status["seeds"], [80, 80, None, 120], strict=True):
    seed["solved_at"] = at
  (folder / "status.json").write_text(json.dumps(status))
  text = " ".join(survival.draw(read_study(path)).caption)
  assert "LSTM: 3 of 4 solved, median step 100" in text


def test_one_arm_is_no_comparison(tmp_path):
  path = fake_study.write_study(tmp_path / "study", fake_study.ARMS[:1])
  assert survival.draw(read_study(path)) is None
