"""The benchmark of growth: exponents, ratios of seeds, and the programs themselves."""

import numpy as np
import pytest

from benchmarks.entries import CELLS, Shape
from benchmarks.exponents import fit_exponent, misfits
from benchmarks.scaling_figure import draw
from benchmarks.scaling_groups import make_groups, read_sweep
from benchmarks.scaling_programs import ALONE, APART, LOOPS, Subject, make
from benchmarks.scaling_table import (
  EXPONENT,
  SEEDS,
  claims,
  seed_rows,
  size_rows,
  tables,
)
from benchmarks.scaling_worker import One, Programs
from rnn_research.errors import UserError

BASE = Shape(32, 128, 8, 64)
DRIFT = np.array([1.0, 4.0, 2.0, 3.0, 10.0])
SWEEPS = {"time": [64, 128, 256], "batch": [1, 8], "hidden": [16, 32]}


@pytest.mark.parametrize("exponent", [0.0, 0.9, 1.0, 2.0])
def test_a_power_law_is_found_whatever_the_machine_does(exponent):
  sizes = [64, 128, 512, 2048]
  # Rounds drawn apart for each size would widen the interval.
  found = fit_exponent(sizes, [3e-3 * size**exponent * DRIFT for size in sizes])
  np.testing.assert_allclose(found, 3 * [exponent], atol=1e-9)


def test_the_fit_is_that_of_least_squares():
  sizes, times = [1, 2, 8, 64], [1.0, 3.0, 4.0, 30.0]
  found = fit_exponent(sizes, [[time] for time in times])
  expected = np.polyfit(np.log(sizes), np.log(times), 1)[0]
  assert found.slope == pytest.approx(expected)


def test_the_interval_covers_the_exponent():
  draw_ = np.random.default_rng(0)
  sizes = np.array([1, 2, 4, 8, 16])
  hits = 0
  for seed in range(100):
    noise = draw_.lognormal(0.0, 0.1, (5, 11))
    found = fit_exponent(sizes, sizes[:, None] ** 1.0 * noise, seed)
    assert found.low < found.slope < found.high
    hits += found.low <= 1 <= found.high
  assert hits >= 85


def test_times_follow_the_law_that_they_are_made_of():
  sizes = np.array([1, 2, 4, 8])
  power, exponential = misfits(sizes, (sizes**1.5)[:, None] * DRIFT)
  assert power == pytest.approx(0, abs=1e-9) and exponential > 0.2
  power, exponential = misfits(sizes, (1.7**sizes)[:, None] * DRIFT)
  assert exponential == pytest.approx(0, abs=1e-9) and power > 0.2
  # Alternately 10% above and below a power law that these leave as it is.
  power, _ = misfits([1, 2, 4, 8], [[1.1], [2 / 1.1], [4 / 1.1], [8 * 1.1]])
  assert power == pytest.approx(0.1)


def test_one_size_has_no_exponent():
  with pytest.raises(ValueError, match="1 size has no slope"):
    fit_exponent([3, 3], [[1.0], [1.0]])


def along_time(time_of):
  return size_rows(
    "time",
    {
      Subject("gru", BASE._replace(time=time)): time_of(time) * DRIFT
      for time in (64, 128, 256)
    },
  )


def test_a_sweep_has_a_row_a_size_and_its_exponent():
  *sizes, fit = along_time(lambda time: 1e-3 * time)
  assert [row["time"] for row in sizes] == [64, 128, 256]
  assert sizes[0]["milliseconds"] == pytest.approx(3 * 64)  # the median of the drift
  assert fit["kind"] == EXPONENT and fit["time"] is None and fit["hidden"] == 64
  assert fit["sizes"] == [64, 128, 256]
  assert fit["exponent"] == pytest.approx(1) and fit["last"] == pytest.approx(2)


@pytest.mark.parametrize(
  "time_of, not_exponential, linear",
  [
    (lambda time: time, True, True),
    # What is constant in each call must not make it look worse than linear.
    (lambda time: 100 + time, True, True),
    (lambda time: time**1.2, True, False),
    (lambda time: 2 ** (time / 64), False, False),
    # An exponential with a small slope is still one.
    (lambda time: 2 ** (time / 512), False, True),
  ],
)
def test_exponential_growth_would_be_told(time_of, not_exponential, linear):
  first, second = claims(along_time(time_of))
  assert "not exponential" in first and "linearly" in second
  assert first.endswith("DOES NOT HOLD") != not_exponential
  assert second.endswith("DOES NOT HOLD") != linear


def test_two_sizes_cannot_tell_an_exponential():
  subjects = [Subject("gru", BASE._replace(time=time)) for time in (64, 128)]
  (line,) = claims(size_rows("time", {s: s.shape.time * DRIFT for s in subjects}))
  assert "linearly" in line


def grid(seconds):
  """Every program of a grid takes what `seconds(its subject)` says."""
  subjects = [Subject("rnn", BASE)]
  subjects += [
    Subject("rnn", BASE, seeds, devices, loop)
    for devices in (1, 2)
    for loop in LOOPS
    for seeds in (1, 2, 10)
  ]
  return seed_rows({subject: seconds(subject) * DRIFT for subject in subjects})


def test_seeds_relate_to_one_alone():
  rows = grid(lambda s: 7.0 if s.loop == ALONE else 4.0 * s.seeds / s.devices)
  found = {(r["seeds"], r["devices"], r["loop"]): r for r in rows if r["kind"] == SEEDS}
  assert found[1, 1, ALONE]["ratio"] == 1
  most = found[10, 2, "map"]
  assert most["ratio"] == pytest.approx(20 / 7)
  assert most["ratio_low"] == pytest.approx(most["ratio_high"])
  fits = [row for row in rows if row["kind"] == EXPONENT]
  seeds = [row for row in fits if row["varied"] == "seeds"]
  assert {(row["devices"], row["loop"]) for row in seeds} == {
    (devices, loop) for devices in (1, 2) for loop in LOOPS
  }
  assert all(row["exponent"] == pytest.approx(1) for row in seeds)
  # Devices are compared at the most seeds.
  devices = [row for row in fits if row["varied"] == "devices"]
  assert [(row["seeds"], row["loop"]) for row in devices] == [(10, "map"), (10, "vmap")]
  assert all(row["exponent"] == pytest.approx(-1) for row in devices)


@pytest.mark.parametrize("ratio, holds", [(5.5, True), (5.7, False)])
def test_the_claim_of_seeds_is_that_of_ten_on_two_devices_by_default(ratio, holds):
  def seconds(subject):
    claimed = (subject.seeds, subject.devices, subject.loop) == (10, 2, "map")
    return ratio if claimed else 1.0 if subject.loop == ALONE else 9.0

  (line,) = claims(grid(seconds))
  assert line.endswith("DOES NOT HOLD") != holds


def test_what_the_machine_allows_stands_beside_the_claim():
  subjects = {
    Subject("rnn", BASE): 1.0,
    Subject("rnn", BASE, 10, 2, "map"): 6.0,
    Subject("rnn", BASE, 10, 2, APART): 5.8,
  }
  rows = seed_rows({subject: s * DRIFT for subject, s in subjects.items()})
  assert all(row["kind"] == SEEDS for row in rows)  # no exponent through one size
  (line,) = claims(rows)
  assert "6.00 [6.00, 6.00] of one seed alone" in line
  assert "(5.80 [5.80, 5.80] in processes with a core each)" in line
  # Those of another width are none of it.
  others = [row | {"hidden": 50} if row["loop"] == APART else row for row in rows]
  assert "processes" not in claims(others)[0]


def test_processes_share_the_seeds():
  subject = Subject("rnn", BASE, 9, 2, APART)
  assert subject.share() == Subject("rnn", BASE, 5, 1, "map")
  together = subject._replace(loop="map")
  assert together.share() == together


def test_the_tables_have_a_line_a_row():
  rows = along_time(float) + grid(lambda s: float(s.seeds))
  first, second = tables(rows).split("\n\n")
  assert first.count("\n") == 1 + sum(row["kind"] == EXPONENT for row in rows)
  assert second.count("\n") == 1 + sum(row["kind"] == SEEDS for row in rows)
  for lines in (first.splitlines(), second.splitlines()):
    assert len({line.count("|") for line in lines}) == 1


def test_the_groups_of_a_cell():
  groups = make_groups("gru", BASE, SWEEPS, [1, 10], [1, 2], [50, 128], apart=True)
  sweeps, seeds = groups[:3], groups[3:]
  assert [g.varied for g in sweeps] == ["time", "batch", "hidden"]
  assert [s.shape.time for s in sweeps[0].subjects] == [64, 128, 256]
  assert {s.shape.hidden for s in sweeps[0].subjects} == {64}
  # In each group one is alone, and at each width ten run by default on two devices.
  for group, hidden in zip(seeds, (64, 50, 128), strict=True):
    assert group.varied is None
    assert [s.loop for s in group.subjects].count(ALONE) == 1
    for loop in ("map", APART):
      most = Subject("gru", BASE._replace(hidden=hidden), 10, 2, loop)
      assert most in group.subjects
    assert len(set(group.subjects)) == len(group.subjects)
  assert len(seeds[0].subjects) == 1 + 2 * 2 * len(LOOPS) + 1
  without = make_groups("gru", BASE, SWEEPS, [1, 10], [1, 2], [50, 128], apart=False)
  assert all(s.loop != APART for group in without for s in group.subjects)


def test_a_sweep_of_one_size_is_said_with_its_flag():
  with pytest.raises(UserError, match="--batches: 4 alone has no slope; give two"):
    read_sweep("--batches", ["4"])
  with pytest.raises(UserError, match="--hidden: 'wide' is not a size; write"):
    read_sweep("--hidden", ["wide", "4"])


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("seeds, devices", [(4, 2), (1, 2), (3, 1)])
def test_a_seed_among_others_has_the_gradient_that_it_has_alone(loop, seeds, devices):
  shape = Shape(4, 6, 2, 5)
  alone = make(Subject("gru", shape))()
  several = make(Subject("gru", shape, seeds, devices, loop))()
  for one, all_ in zip(alone, several, strict=True):
    assert all_.shape == (seeds, *one.shape)
    assert len(all_.devices()) == devices
    np.testing.assert_allclose(all_[0], one, rtol=1e-4, atol=1e-5)
    if seeds > 1:
      assert not np.allclose(all_[0], all_[1])


def test_a_process_measures_each_of_its_programs():
  class Process:
    """Answers at once, in this process."""

    def __init__(self):
      self.programs = Programs()

    def say(self, command):
      ((name, argument),) = command.items()
      self.answered = self.programs.carry_out(name, argument)

    def answer(self):
      return self.answered

  process = Process()
  sizes = [2, 3, 2, 4]
  subjects = {"a": ["rnn", sizes, 1, 1, ALONE], "b": ["rnn", sizes, 2, 2, "map"]}
  process.say({"prepare": subjects})
  assert process.answer() == {}
  for name in subjects:
    one = One([process], name)
    assert one.ask({"choose": 0.0})["seconds"] > 0
    assert len(one.ask({"measure": 3})["seconds"]) == 3
  # What belonged to the last group goes before the next one comes.
  process.say({"prepare": {"a": subjects["a"]}})
  with pytest.raises(KeyError):
    process.say({"ask": ["b", {"measure": 1}]})


def test_of_several_processes_the_slowest_is_what_a_call_took():
  class Process:
    def __init__(self, answer):
      self.answer = lambda: answer

    def say(self, command):
      assert command == {"ask": ["a", {"measure": 2}]}

  first, second = {"seconds": [1.0, 4.0]}, {"seconds": [2.0, 3.0]}
  both = One([Process(first), Process(second)], "a")
  assert both.ask({"measure": 2}) == {"seconds": [2.0, 4.0]}
  failed = One([Process(first), Process({"error": "killed"})], "a")
  assert failed.ask({"measure": 2}) == {"error": "killed"}


def test_the_figure_tells_exponents_and_loops(tmp_path):
  rows = []
  for cell in CELLS:
    for varied, sizes in SWEEPS.items():
      subjects = [Subject(cell, BASE._replace(**{varied: size})) for size in sizes]
      rows += size_rows(
        varied, {s: getattr(s.shape, varied) ** 0.5 * DRIFT for s in subjects}
      )
    rows += [row | {"cell": cell} for row in grid(lambda s: float(s.seeds))]
  path = tmp_path / "scaling.svg"
  draw(rows, path)
  drawn = path.read_text()
  assert drawn.count("exponent 0.50") == len(SWEEPS) * len(CELLS)
  assert "vmap, 1 device" in drawn and "seeds in one program" in drawn
