"""How many rows a dispatch trains for is nobody's business but the clock's."""

import io

import pytest

from rnn_research.data.preparation import prepare
from rnn_research.training.advance import intervals_per_dispatch
from tests.small_run import (
  assert_same_arrays,
  assert_same_records,
  make_config,
  saved_state,
  train,
)

LAST = 12
CHANGES = {"train.eval_every": 4, "train.checkpoint_every": 0}
EVERY_STEP = CHANGES | {
  "train.log_every": 1,
  "train.steps": 40,
  "train.eval_every": 40,
  "diagnostics.lag_every": 0,
}


pytestmark = pytest.mark.usefixtures("quick_module")


@pytest.mark.parametrize(
  ("changes", "step", "wanted"),
  [
    ({}, 0, 1),  # a checkpoint every 3 rows, an evaluation every 2
    (CHANGES, 0, 2),
    (CHANGES, 4, 2),
    (CHANGES, 2, 1),  # resumed where a dispatch would pass an evaluation
    (CHANGES | {"train.steps": 10}, 0, 1),
    (CHANGES | {"train.steps_per_dispatch": 1}, 0, 1),  # a row at least
    (CHANGES | {"train.steps_per_dispatch": 3}, 0, 1),
    (EVERY_STEP, 0, 10),  # memory: no more rows than that
    (CHANGES | {"train.steps_per_dispatch": 4}, 0, 2),
    (CHANGES | {"diagnostics.exponents_every": 2}, 0, 1),
    (CHANGES | {"train.eval_every": 12, "diagnostics.lag_every": 0}, 0, 6),
    (
      {"train.eval_every": 12, "diagnostics.lag_every": 6, "train.checkpoint_every": 4},
      0,
      1,
    ),
    (
      {
        "train.eval_every": 12,
        "diagnostics.lag_every": 6,
        "train.steps_per_dispatch": 8,
      },
      0,
      3,
    ),
  ],
)
def test_whatever_is_due_is_due_behind_a_dispatch(changes, step, wanted):
  assert intervals_per_dispatch(make_config(changes), step) == wanted


@pytest.mark.parametrize("name", ["task", "digits"])
def test_the_records_are_those_of_a_dispatch_a_row(name, tmp_path):
  changes = dict(CHANGES)
  if name == "digits":
    prepare("digits", tmp_path / "data", io.StringIO().write)
    changes |= {
      "seeds": 2,
      "task.name": "",
      "data.name": "digits",
      "data.source": str(tmp_path / "data"),
      "diagnostics.lag_every": 0,
    }
  one, wanted = train(tmp_path / "one", changes | {"train.steps_per_dispatch": 2})
  two, found = train(tmp_path / "two", changes)
  assert [row["step"] for row in found.rows] == list(range(0, LAST + 1, 2))
  assert_same_records(found, wanted)
  assert_same_arrays(saved_state(two, LAST), saved_state(one, LAST))


def test_stopped_behind_two_rows_and_resumed(tmp_path):
  whole, wanted = train(tmp_path / "whole", CHANGES)
  asked = iter([True])
  _, records = train(tmp_path / "parts", CHANGES, stop=lambda: next(asked))
  assert (records.status["state"], records.status["step"]) == ("interrupted", 4)
  assert records.rows == wanted.rows[:3]
  again, found = train(tmp_path / "parts", CHANGES)
  assert_same_records(found, wanted)
  assert_same_arrays(saved_state(again, LAST), saved_state(whole, LAST))
