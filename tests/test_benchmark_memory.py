"""The benchmark of memory: how it is read, and what is made of it."""

import ctypes
import sys

import jax
import numpy as np
import pytest

from benchmarks import resident
from benchmarks.entries import Shape, read_sizes
from benchmarks.libraries import Unsupported
from benchmarks.memory_figure import draw
from benchmarks.memory_programs import (
  ARRANGEMENTS,
  PLAIN,
  check,
  compile_gradient,
  segments_of,
)
from benchmarks.memory_table import claims, make_rows, share, table
from benchmarks.memory_worker import Subject
from benchmarks.progress import time_left
from rnn_research.errors import UserError

MIB = 2**20
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
CLAIMED = Shape(16, 10000, 8, 128)


def touch(mebibytes):
  return np.ones(mebibytes * MIB, np.uint8).sum()


@LINUX
def test_growth_is_the_peak_of_the_run_alone():
  # More than the run will need, and gone before it: a high-water mark that isn't set
  # back hides the run.
  touch(160)
  # The run holds 40 at once, though 80 in all.
  # The kernel counts pages in lots of a thread, some hundred KiB.
  assert 39 <= resident.growth(lambda: (touch(40), touch(40))) / MIB < 60


@LINUX
def test_growth_counts_memory_that_was_used_before():
  libc = ctypes.CDLL(None)
  libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
  size = 64 * 1024  # small enough for the heap

  def fill():
    blocks = [libc.malloc(size) for _ in range(640)]
    for block in blocks:
      ctypes.memset(block, 1, size)
    return blocks

  blocks = fill()
  above = libc.malloc(size)  # keeps the heap from shrinking when the rest is freed
  for block in blocks:
    libc.free(block)
  again = []
  grown = resident.growth(lambda: again.extend(fill()))
  for block in (above, *again):
    libc.free(block)
  assert grown / MIB >= 30


def test_other_systems_are_told(monkeypatch, tmp_path):
  monkeypatch.setattr(resident, "RESET", tmp_path / "missing")
  with pytest.raises(Unsupported, match="Linux"):
    resident.growth(lambda: None)


def test_arrangements_compute_the_same_gradient_in_less_memory():
  shape = Shape(2, 400, 3, 8)
  gradients, planned = {}, {}
  for name in ARRANGEMENTS:
    program, arguments = compile_gradient("gru", shape, name)
    gradients[name] = program(*arguments)
    planned[name] = program.memory_analysis().temp_size_in_bytes
  for name in ARRANGEMENTS:
    for ours, plain in zip(
      jax.tree.leaves(gradients[name]), jax.tree.leaves(gradients[PLAIN]), strict=True
    ):
      np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-6, err_msg=name)
  assert planned["fused, 1 level"] < planned[PLAIN] / 4
  assert planned["fused, 2 levels"] < planned[PLAIN] / 4


def test_segments_of_an_arrangement():
  assert [segments_of(name, 1000) for name in ARRANGEMENTS] == [
    (),
    (),
    (32,),
    (101, 11),
  ]


def test_a_gradient_that_says_nothing_is_refused():
  with pytest.raises(ArithmeticError, match="finite"):
    check({"a": np.ones(2), "b": np.array([np.nan])})
  with pytest.raises(ArithmeticError, match="zero"):
    check({"a": np.zeros(2)})
  check({"a": np.zeros(2), "b": np.ones(1)})


@LINUX
def test_a_process_compiles_runs_and_measures():
  subject = Subject()
  planned = subject.carry_out("compile", ["rnn", [2, 50, 3, 4], "fused, 1 level"])
  assert planned["temporary"] > 0
  assert subject.carry_out("run", None)["growth"] >= 0
  assert subject.carry_out("choose", 0.0)["seconds"] > 0
  assert len(subject.carry_out("measure", 3)["seconds"]) == 3


def make(fused_growth=90, time=0.5, shape=CLAIMED):
  memory = {
    PLAIN: {"temporary": 200, "growth": 100},
    "fused": {"temporary": 150, "growth": fused_growth},
    "fused, 1 level": {"temporary": 4, "growth": 3},
    "fused, 2 levels": {"temporary": 2, "growth": 4},
  }
  # Drift hits all of a round alike, and the ratios are exact.
  drift = np.array([1.0, 4.0, 2.0, 3.0, 10.0])
  times = {PLAIN: drift, **{name: time * drift for name in list(memory)[1:]}}
  return make_rows("lstm", shape, memory, times, {})


def test_rows_relate_to_the_plain_scan():
  rows = {row["arrangement"]: row for row in make()}
  assert list(rows) == list(ARRANGEMENTS)
  assert rows["fused"]["peak_share"] == pytest.approx(0.9)
  assert rows["fused"]["temporary_share"] == pytest.approx(0.75)
  segmented = rows["fused, 1 level"]
  assert segmented["peak_share"] == pytest.approx(0.03)
  assert (segmented["ratio"], segmented["ratio_low"], segmented["ratio_high"]) == (
    0.5,
    0.5,
    0.5,
  )
  assert segmented["milliseconds"] == 1500.0
  assert segmented["rounds"] == 5 and segmented["segments"] == (100,)


def test_what_was_not_run_is_null_with_the_reason():
  memory = {PLAIN: {"temporary": 100}, "fused, 1 level": {"temporary": 5, "growth": 4}}
  rows = make_rows(
    "rnn", CLAIMED, memory, {"fused, 1 level": [1.0, 2.0, 3.0]}, {PLAIN: "too large"}
  )
  plain, segmented = rows
  assert plain["skipped"] == "too large"
  assert plain["milliseconds"] is plain["peak_bytes"] is plain["ratio"] is None
  # There is nothing measured to relate to, but the compiler's plan.
  assert segmented["peak_share"] is segmented["ratio"] is None
  assert segmented["temporary_share"] == 0.05
  assert segmented["milliseconds"] == 2000.0
  assert "not run" in table(rows) and claims(rows) == []


@pytest.mark.parametrize(
  "changed, failing",
  [
    ({}, {"fused, 2 levels"}),  # 0.04 is more than 1/30
    ({"fused_growth": 101}, {"fused", "fused, 2 levels"}),
    ({"time": 1.1}, {"fused, 1 level", "fused, 2 levels"}),
  ],
)
def test_claims_hold_or_not(changed, failing):
  told = claims(make(**changed))
  assert len(told) == 3
  found = {line.split(", 10,000")[0] for line in told if "DOES NOT HOLD" in line}
  assert found == {f"lstm, {name}" for name in failing}


def test_nothing_is_claimed_of_other_sizes():
  assert claims(make(shape=CLAIMED._replace(time=1000))) == []


def test_the_table_has_a_line_a_row():
  lines = table(make()).splitlines()
  assert len(lines) == 2 + len(ARRANGEMENTS)
  assert len({line.count("|") for line in lines}) == 1
  assert "| 1/33 |" in lines[4] and "0.50 [0.50, 0.50]" in lines[4]


@pytest.mark.parametrize("value, said", [(None, "-"), (0.02, "1/50"), (1.25, "1.25")])
def test_a_share_in_words(value, said):
  assert share(value) == said


def test_the_figure_shows_what_was_only_planned(tmp_path):
  rows = make() + make(shape=CLAIMED._replace(time=1000))
  rows[0] |= {"peak_bytes": None, "milliseconds": None, "ratio": None}
  path = tmp_path / "memory.svg"
  draw(rows, path)
  drawn = path.read_text()
  assert "LSTM" in drawn and "fused, 2 levels" in drawn and "time steps" in drawn


def test_a_bad_length_is_said_with_its_flag():
  with pytest.raises(UserError, match="--lengths: '0' is not a size; write 100,1000"):
    read_sizes("--lengths", ["100", "0"])
  with pytest.raises(UserError, match="--lengths: empty"):
    read_sizes("--lengths", [])
  assert read_sizes("--lengths", ["1000", " 10", "10"]) == [10, 1000]


def test_time_left():
  assert time_left(10.0, done=1.0, rest=3.0) == "30 s left"
  assert time_left(60.0, done=1.0, rest=3.0) == "3 min left"
