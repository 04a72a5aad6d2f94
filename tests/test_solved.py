"""When a seed has solved its task, and a run that ends when all its seeds have."""

import numpy as np
import pytest

from rnn_research.report.outcomes import CONSECUTIVE, steps_to_solve
from rnn_research.report.records import Series
from rnn_research.report.study import THRESHOLDS
from rnn_research.training import solved
from rnn_research.training.event_files import EventFiles
from rnn_research.training.start import start
from rnn_research.training.state import NEVER
from tests.small_run import make_config, read_records

EVALUATIONS, SEEDS = 40, 50


def judged(errors, in_a_row):
  """All evaluations, ten steps apart, one after the other."""
  found = solved.nothing_solved(errors.shape[1])
  for number, error in enumerate(errors):
    found = solved.judge(found, 10 * number, error, in_a_row)
  return found


def test_a_success_is_that_of_the_report():
  """The first of three in a row, from the whole series at once."""
  assert (solved.ERROR, solved.IN_A_ROW) == (THRESHOLDS["solved_error"], CONSECUTIVE)
  random = np.random.default_rng(0)
  errors = random.choice([0.001, 0.0099, 0.01, 0.5, np.nan], (EVALUATIONS, SEEDS))
  series = Series(10 * np.arange(EVALUATIONS), errors)
  expected = steps_to_solve(series, solved.ERROR)
  assert 5 < np.isfinite(expected).sum() < SEEDS
  found = judged(errors, solved.IN_A_ROW).at
  np.testing.assert_array_equal(
    np.where(found == solved.UNSOLVED, np.nan, found), expected
  )


def test_one_evaluation_can_be_enough():
  errors = np.array([[0.5, 0.5, 0.001], [0.005, 0.5, 0.5], [0.5, 0.5, 0.001]])
  np.testing.assert_array_equal(judged(errors, 1).at, [10, -1, 0])


LEARNING = {
  "optimizer.learning_rate": 0.1,
  "train.steps": 60,
  "train.checkpoint_every": 10,
  "diagnostics.lag_every": 0,
  "diagnostics.adjoint": False,
  "diagnostics.weights": False,
}
LAST = 60


def trained(folder, changes, **options):
  start(make_config(LEARNING | changes), str(folder)).train(**options)
  return read_records(folder)


def evaluations(records):
  """Steps, and errors (evaluations, seeds)."""
  rows = [row for row in records.rows if "eval/error" in row]
  return [row["step"] for row in rows], np.array([row["eval/error"] for row in rows])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """A run to its last step, and an error that its seeds reach one after the other."""
  records = trained(tmp_path_factory.mktemp("whole"), {})
  steps, errors = evaluations(records)
  best = np.minimum.accumulate(errors).max(1)  # of the slowest seed
  middle = best[steps.index(40)]
  level = (middle + best[best > middle].min()) / 2
  at = [steps[int(np.argmax(column < level))] for column in errors.T]
  assert 0 < max(at) <= 40
  assert len(set(at)) > 1
  return records, level, at


def test_a_run_ends_when_its_last_seed_has_solved_the_task(
  whole, tmp_path, monkeypatch
):
  """What came before, and what it says of the network, is as without the stop."""
  records, level, at = whole
  monkeypatch.setattr(solved, "ERROR", level)
  stopped = trained(tmp_path / "stopped", {"train.stop_when_solved": 1})
  assert (stopped.status["state"], stopped.status["step"]) == ("finished", max(at))
  assert [seed["solved_at"] for seed in stopped.status["seeds"]] == at
  before = [row for row in records.rows if row["step"] <= max(at)]
  assert stopped.rows == before
  # The same fresh sequences judge the last state, as many as the run asks for.
  assert stopped.status["final"]["error"] == before[-1]["eval/error"]
  assert stopped.status["final"]["examples"] == 500


def test_interrupted_it_ends_at_the_same_step(whole, tmp_path, monkeypatch):
  records, level, at = whole
  monkeypatch.setattr(solved, "ERROR", level)
  given = {"train.stop_when_solved": 1}
  dispatches = iter([False] * (min(at) // 2) + [True])
  first = trained(tmp_path, given, stop=lambda: next(dispatches))
  assert (first.status["state"], first.status["step"]) == ("interrupted", min(at) + 2)
  again = trained(tmp_path, given)
  assert again.rows == [row for row in records.rows if row["step"] <= max(at)]
  assert [seed["solved_at"] for seed in again.status["seeds"]] == at


def test_killed_behind_its_last_step_it_has_ended(whole, tmp_path, monkeypatch):
  """It trains no further, and nothing but the seconds is told otherwise."""
  _, level, _ = whole
  monkeypatch.setattr(solved, "ERROR", level)
  given = {"train.stop_when_solved": 1}
  ended = trained(tmp_path / "ended", given)

  def die(self):
    raise KeyboardInterrupt

  with monkeypatch.context() as patched:
    patched.setattr(EventFiles, "close", die)
    with pytest.raises(KeyboardInterrupt):
      trained(tmp_path / "killed", given)
  again = trained(tmp_path / "killed", given)
  assert again.rows == ended.rows
  assert again.status == ended.status


def test_who_never_gets_there_trains_to_the_end(whole, tmp_path):
  records, *_ = whole
  found = trained(tmp_path, {"train.stop_when_solved": 1})
  assert found.rows == records.rows
  assert found.status["step"] == LAST
  steps, errors = evaluations(records)
  at = [steps[int(np.argmax(e))] if e.any() else None for e in errors.T < solved.ERROR]
  assert None in at
  assert [seed["solved_at"] for seed in found.status["seeds"]] == at


def test_nobody_waits_for_a_seed_that_diverged(tmp_path):
  """All four blow up: the next evaluation is the last."""
  blown = {
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 3e38,
    "optimizer.clip_bound": 0.0,
    "train.stop_when_solved": 1,
  }
  found = trained(tmp_path, blown)
  fates = [seed["diverged_at"] for seed in found.status["seeds"]]
  assert None not in fates and NEVER not in fates
  assert found.status["step"] == 4 * (max(fates) // 4 + 1) < LAST
  assert [seed["solved_at"] for seed in found.status["seeds"]] == [None] * 4
