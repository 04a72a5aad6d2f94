"""The benchmarks' arithmetic and their protocol; no library is timed here."""

import math
import sys
import textwrap

import numpy as np
import pytest

from benchmarks.interleave import Worker, WorkerFailed, order, rounds
from benchmarks.ratios import geometric_mean, ratio_of

# Stands in for a library: calls that take as long as the first argument says.
FAKE = textwrap.dedent("""
  import sys, time
  import numpy as np
  from benchmarks.libraries import Unsupported
  from benchmarks.worker import serve

  def make(cell, shape, direction, devices):
    if cell == "gru":
      raise Unsupported("no gru cell")
    if cell == "bad":
      raise ValueError("one line\\nand another")
    value = np.nan if cell == "nan" else 0.0

    def way(seconds):
      def call():
        time.sleep(seconds)
        return [np.full((shape.time, shape.batch, shape.input), value)]
      return call

    return [way(5 * float(sys.argv[1])), way(float(sys.argv[1]))]

  serve(make, 1, {"fake": "1.0"}, sys.stdin, sys.stdout)
""")


@pytest.fixture
def start():
  """Starts fake workers, and ends them."""
  started = []

  def start(seconds, code=FAKE):
    started.append(Worker([sys.executable, "-c", code, str(seconds)], patience=60))
    return started[-1]

  yield start
  for worker in started:
    worker.close()


def prepare(cell="rnn", direction="gradient"):
  return {"prepare": [cell, [2, 3, 4, 5], direction]}


def test_ratio_of_known_rounds():
  # Drift by ten hits both, and every ratio is a half.
  drift = np.array([1.0, 3.0, 10.0, 2.0, 5.0])
  assert ratio_of(drift, 2 * drift) == (0.5, 0.5, 0.5)


def test_interval_holds_the_median_and_stays_within_the_rounds():
  ratios = np.array([0.9, 1.0, 1.1, 1.2, 1.3])
  found = ratio_of(ratios, np.ones(5))
  assert found.median == 1.1
  # One of the outer two is the median of 5 draws with probability 5.8%, over both
  # tails' 2.5%.
  assert (found.low, found.high) == (0.9, 1.3)
  assert not found.slower and not found.faster


def test_slower_only_if_the_whole_interval_is():
  rounds_ = np.random.default_rng(0).normal(1.1, 0.01, 11)
  assert ratio_of(rounds_, np.ones(11)).slower
  assert ratio_of(np.ones(11), rounds_).faster


def test_interval_covers_the_true_median():
  draw = np.random.default_rng(1)
  hits = 0
  for seed in range(200):
    found = ratio_of(draw.lognormal(0.0, 0.1, 11), np.ones(11), seed)
    hits += found.low <= 1 <= found.high
  assert hits >= 180


def test_geometric_mean():
  assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
  assert geometric_mean([4.0]) == pytest.approx(4.0)
  assert math.isnan(geometric_mean([]))


def test_every_order_holds_everybody_and_the_first_changes():
  names = ["a", "b", "c"]
  orders = [order(names, turn) for turn in range(6)]
  assert all(sorted(one) == names for one in orders)
  assert {one[0] for one in orders} == set(names)
  # And not always the same neighbours.
  assert {one[one.index("a") - 1] for one in orders} == {"b", "c"}


def test_rounds_measure_all_and_keep_the_fastest_way(start):
  workers = {"short": start(0.001), "long": start(0.02)}
  for worker in workers.values():
    assert worker.answer() == {"versions": {"fake": "1.0"}}
    assert worker.ask(prepare()) == {}
  times = rounds(workers, most=7, seconds=0.0)
  assert {name: len(taken) for name, taken in times.items()} == {"short": 5, "long": 5}
  assert min(times["short"]) >= 0.001 and min(times["long"]) >= 0.02
  # The other way takes 0.1 s at least; sleeping is never shorter than asked.
  assert np.median(times["long"]) < 0.1


def test_fewer_rounds_can_be_asked_for(start):
  worker = start(0.001)
  worker.answer()
  worker.ask(prepare())
  assert len(rounds({"one": worker}, most=2, seconds=9.0)["one"]) == 2


@pytest.mark.parametrize(
  "command, answer",
  [
    (prepare("gru"), {"unsupported": "no gru cell"}),
    (prepare("bad"), {"error": "ValueError: one line"}),
    (prepare("nan"), {"error": "ArithmeticError: a gradient is not finite"}),
    (
      prepare(direction="forward"),
      {"error": "ValueError: the result has shape (3, 2, 4)"},
    ),
  ],
)
def test_a_worker_lives_on_after_what_it_cannot_do(start, command, answer):
  worker = start(0.0)
  worker.answer()
  assert worker.ask(command) == answer
  assert worker.ask(prepare()) == {}


def test_a_worker_that_dies_leaves_its_last_words(start):
  worker = start(0, "import sys; sys.exit('out of luck')")
  with pytest.raises(WorkerFailed, match="ended with 1: out of luck"):
    worker.answer()


def test_a_worker_that_never_answers_is_ended():
  worker = Worker([sys.executable, "-c", "input()"], patience=0.1)
  with pytest.raises(WorkerFailed, match="no answer"):
    worker.answer()
  worker.close()
