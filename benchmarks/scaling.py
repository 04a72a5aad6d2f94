"""Time of a gradient against length, batch, width, seeds and devices.

  python -m benchmarks.scaling --output=scaling.json

It is said that the time of recurrent networks grows exponentially with the length of
the sequence. The gradient is that of sum(y^2) with respect to the parameters of one
layer, float32. In each sweep one size of a base shape varies, on one CPU device; the
exponent is the slope of log(time) on log(size) with a 95% bootstrap interval, 1 is
linear, and beside it stands how far the times are from a power law and from an
exponential (benchmarks/exponents.py). What the last step of the sizes costs is told
as well: a constant part flattens the slope at the small end, and where memory outgrows
a cache, or is mapped anew in every call, there is a step within.

Seeds run as training runs them, S in one program (`make_layout`, `over_seeds`): the
seeds spread over the devices, one after another ("map", the default on CPU) or side
by side ("vmap") within each; all read the same inputs. `ratio` is the median over
rounds of the time of the program / that of one seed alone on one device, a program
without a seed axis, with its 95% bootstrap interval. The base shape has all numbers of
seeds and devices and both loops; the widths of --also_hidden have the most seeds, on
all devices, by the default loop.

Beside that stands what the machine itself allows ("apart"): as many processes as
devices, each with a core to itself and its share of the seeds, all at the same time.
What they take beyond seeds / devices is the machine's doing, not the program's.

A process a number of devices; all programs of a sweep take turns in rounds
(benchmarks/interleave.py). XLA is as it comes, so large products may use the threads
of all cores on one device too.

Writes FILE.json (rows of three kinds: size, seeds, exponent), FILE.environment.json
and FILE.svg; prints tables, and whether the claims hold where they were measured.
"""

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags, logging

from benchmarks import machine, processes
from benchmarks.entries import CELLS, read_names, read_shapes, read_sizes
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import Worker, rounds
from benchmarks.progress import time_left
from benchmarks.scaling_figure import draw
from benchmarks.scaling_groups import Group, make_groups, read_sweep
from benchmarks.scaling_programs import ALONE, APART, Subject
from benchmarks.scaling_table import (
  EXPONENT,
  claims,
  interval,
  seed_rows,
  size_rows,
  tables,
)
from benchmarks.scaling_worker import One
from rnn_research import command

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_SHAPE = flags.DEFINE_string(
  "shape", "32x128x8x64", "The base: batch x time x input x hidden."
)
_LENGTHS = flags.DEFINE_list(
  "lengths", ["64", "128", "256", "512", "1024", "2048"], "Time steps."
)
_BATCHES = flags.DEFINE_list("batches", ["1", "4", "16", "64", "256"], "Sequences.")
_HIDDEN = flags.DEFINE_list("hidden", ["16", "32", "64", "128", "256"], "Units.")
_SEEDS = flags.DEFINE_list("seeds", ["1", "2", "4", "8", "10"], "In one program.")
_DEVICES = flags.DEFINE_list(
  "cpu_devices", ["1", str(machine.cores())], "For the seeds."
)
_ALSO_HIDDEN = flags.DEFINE_list("also_hidden", ["50", "128"], "For the most seeds.")
_ROUNDS = flags.DEFINE_integer("rounds", 11, "If the time allows.", lower_bound=1)
_SECONDS = flags.DEFINE_float(
  "seconds", 6.0, "Of measuring for eight programs or fewer.", lower_bound=0.0
)

COMPILING = 1.5  # seconds a program; for progress


def main(_) -> int:
  """Measures group after group and writes what is known so far."""
  output = output_path(_OUTPUT.value)
  names = read_names("--cells", _CELLS.value, CELLS)
  (base,) = read_shapes([_SHAPE.value])
  sweeps = {
    "time": read_sweep("--lengths", _LENGTHS.value),
    "batch": read_sweep("--batches", _BATCHES.value),
    "hidden": read_sweep("--hidden", _HIDDEN.value),
  }
  devices = read_sizes("--cpu_devices", _DEVICES.value)
  seeds = read_sizes("--seeds", _SEEDS.value)
  also = [size for size in _also_hidden() if size != base.hidden]
  alone = machine.which_cores()[: max(devices)]
  apart = 1 < max(devices) == len(alone)
  todo = [
    group
    for name in names
    for group in make_groups(name, base, sweeps, seeds, devices, also, apart)
  ]
  environment = machine.describe()
  if environment["load_before"] > environment["cores"] / 2:
    logging.warning("the machine is busy (load %.1f)", os.getloadavg()[0])
  rows: list[dict[str, Any]] = []
  homes: dict[int | str, list[Worker]] = {}
  begin = time.monotonic()
  try:
    for count in sorted({1, *devices}):
      homes[count] = [processes.start("scaling_worker", count)]
    if apart:
      homes[APART] = [
        processes.start("scaling_worker", 1, f"--core={core}") for core in alone
      ]
    greetings = [worker.answer() for home in homes.values() for worker in home]
    environment["versions"] = greetings[0]["versions"]
    for number, group in enumerate(todo):
      found = measure(group, homes)
      rows += found
      write_json(output, rows)
      write_environment(output, environment)
      left = time_left(
        time.monotonic() - begin, _cost(todo[: number + 1]), _cost(todo[number + 1 :])
      )
      told = _told(found)
      logging.info("%d/%d %s: %s; %s", number + 1, len(todo), group.name, told, left)
  finally:
    for worker in itertools.chain(*homes.values()):
      worker.close()
  environment["load_after"] = os.getloadavg()[0]
  write_environment(output, environment)
  draw(rows, output.with_suffix(".svg"))
  print(tables(rows))
  for line in claims(rows):
    print(f"- {line}")
  return 0


def measure(
  group: Group, homes: Mapping[int | str, Sequence[Worker]]
) -> list[dict[str, Any]]:
  """Rows of a group; each program runs in the processes of its number of devices."""
  names = {str(number): subject for number, subject in enumerate(group.subjects)}
  for home, workers in homes.items():
    own = {name: s.share() for name, s in names.items() if _home(s) == home}
    for worker in workers:
      worker.say({"prepare": {name: list(subject) for name, subject in own.items()}})
  # They compile side by side: nothing is timed here.
  for worker in itertools.chain(*homes.values()):
    answer = worker.answer()
    if "error" in answer:
      raise RuntimeError(f"{group.name}: {answer['error']}")
  times = rounds(
    {name: One(homes[_home(s)], name) for name, s in names.items()},
    _ROUNDS.value,
    _seconds(group),
  )
  taken = {subject: times[name] for name, subject in names.items()}
  return size_rows(group.varied, taken) if group.varied else seed_rows(taken)


def _home(subject: Subject) -> int | str:
  return APART if subject.loop == APART else subject.devices


def _seconds(group: Group) -> float:
  return _SECONDS.value * max(1.0, len(group.subjects) / 8)


def _cost(todo: Sequence[Group]) -> float:
  """Seconds that some groups take, about."""
  return sum(_seconds(group) + COMPILING * len(group.subjects) for group in todo)


def _also_hidden() -> list[int]:
  return read_sizes("--also_hidden", _ALSO_HIDDEN.value) if _ALSO_HIDDEN.value else []


def _told(found: Sequence[dict[str, Any]]) -> str:
  """A group in short: its exponent, or the ratio of its last program."""
  if found[0].get("varied"):
    (row,) = (row for row in found if row["kind"] == EXPONENT)
    return f"exponent {interval(row, 'exponent')}"
  rows = [row for row in found if "ratio" in row]
  row = [row for row in rows if row["loop"] not in (ALONE, APART)][-1]
  last = f"{row['seeds']} seeds, {row['devices']} devices, {row['loop']}"
  return f"{last}: {interval(row, 'ratio')} of one alone"


if __name__ == "__main__":
  command.run(main)
