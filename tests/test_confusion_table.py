"""Counting alarms: what is right, and rates with their intervals."""

import numpy as np

from experiments import confusion
from experiments.confusion import SPLITS, cases
from experiments.confusion_table import HEALTHY, RIGHT, Judged, matrix, rates
from experiments.planted_faults import FAULTS
from rnn_research.report.alarms import find_alarms
from rnn_research.report.statistics import wilson_interval
from rnn_research.validation import validate
from tests.small_run import read_records
from tests.test_alarms import FAULTS as BY_HAND
from tests.test_alarms import healthy


def test_only_the_first_alarm_names_a_fault():
  judged = [
    Judged("uphill", "a", 0, ("uphill updates", "step size")),
    Judged("uphill", "b", 0, ("step size", "uphill updates")),
    Judged("cut", "c", 0, ()),
    Judged("healthy", "d", 2, ()),
    Judged("healthy", "e", 0, ("step size",)),
  ]
  found = rates(judged)
  assert (found["faults named"]["count"], found["faults named"]["of"]) == (1, 3)
  assert found["faults with any alarm"]["count"] == 2
  alarmed = found["healthy runs alarmed"]
  assert (alarmed["count"], alarmed["of"], alarmed["rate"]) == (1, 2, 0.5)
  np.testing.assert_allclose(alarmed["interval"], wilson_interval(1, 2))
  assert matrix(judged) == {
    "uphill": {"uphill updates": 1, "step size": 1},
    "cut": {"no alarm": 1},
    "healthy": {"no alarm": 1, "step size": 1},
  }


def test_every_planted_fault_has_a_name_that_a_rule_gives():
  given = set()
  for fault in BY_HAND:
    evidence = healthy()
    fault(evidence)
    given |= {alarm.name for alarm in find_alarms(evidence)}
  assert set(FAULTS) < set(RIGHT)
  assert set(RIGHT.values()) - given == {"none known"}


def test_the_benchmark_is_large_and_its_halves_share_no_seed():
  listed = list(cases())
  for split in SPLITS:
    kinds = [case.kind for case in listed if case.split == split]
    assert kinds.count(HEALTHY) >= 20
    assert len(kinds) - kinds.count(HEALTHY) >= 20
    assert len(set(kinds)) > 6
  seeds = {split: set() for split in SPLITS}
  for case in listed:
    validate(case.config)
    own = range(case.config.seed, case.config.seed + case.config.seeds)
    seeds[case.split] |= set(own)
  assert not seeds["tuning"] & seeds["report"]
  assert len({(case.split, case.name) for case in listed}) == len(listed)


def test_a_study_told_to_leave_goes_on_where_it_was(monkeypatch, tmp_path):
  case = next(cases())
  case.config.train.steps, case.config.train.eval_examples = 80, 50
  case.config.train.test_examples = case.config.model.hidden = 8
  monkeypatch.setattr(confusion, "cases", lambda: iter([case]))
  monkeypatch.setattr(confusion, "measure_ends", lambda run: {})
  folder = tmp_path / case.split / case.name
  assert not confusion.train(tmp_path, stop=lambda: True)
  assert read_records(folder).status["state"] == "interrupted"
  assert confusion.train(tmp_path, stop=lambda: False)
  assert read_records(folder).status["state"] == "finished"
  assert (folder / confusion.FILE).exists()
