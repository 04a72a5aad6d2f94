"""Time of one layer, forward and gradient, against six libraries and the bare products.

  pip install -e '.[bench]'
  python -m benchmarks.unroll --output=unroll.json

The gradient is that of sum(y^2) with respect to the parameters and the inputs, in
float32. Settings:

  same_devices  one CPU device each, PyTorch with one thread; XLA is otherwise as it
                comes, so that large products may use the threads of all cores
  as_shipped    ours with one device a core, the batch split over them (one sequence
                runs on one device); peers with their defaults, PyTorch with one
                thread or one a core, whichever is faster

Every library compiles and runs in a process of its own and sleeps while others are
measured. They take turns in rounds (benchmarks/interleave.py); of its calls in a round
each worker's median counts. `milliseconds` is the median over rounds, `ratio` the
median over rounds of ours / library with its 95% bootstrap interval
(benchmarks/ratios.py). A library on JAX is the same in both settings, so with
--setting=both it is measured once. `limit_milliseconds` is the time of the bare
matrix products on the devices that ours has in that setting
(benchmarks/libraries/limit.py).

Writes, after every entry anew, FILE.json (a list of rows), FILE.environment.json
(machine, versions, what is missing and why) and FILE.svg; prints tables at the end.

Exit codes: 0 finished, 2 bad input.
"""

import os
import time

from absl import flags, logging

from benchmarks import entries as entry_lists
from benchmarks import machine
from benchmarks.entries import CELLS, DIRECTIONS, SHAPES, Entry, make_entries
from benchmarks.figure import draw
from benchmarks.files import output_path
from benchmarks.interleave import WorkerFailed, rounds
from benchmarks.progress import time_left
from benchmarks.record import SETTINGS, Record, devices_of
from benchmarks.tables import short_table, summary, tables
from benchmarks.team import LIMIT, OURS, PEERS, Team
from rnn_research import command

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_SETTING = flags.DEFINE_enum("setting", "both", [*SETTINGS, "both"], "See above.")
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_SHAPES = flags.DEFINE_list(
  "shapes", [str(shape) for shape in SHAPES], "batch x time x input x hidden."
)
_DIRECTIONS = flags.DEFINE_list("directions", list(DIRECTIONS), "Passes.")
_LIBRARIES = flags.DEFINE_list("libraries", list(PEERS), "Peers to compare with.")
_ROUNDS = flags.DEFINE_integer(
  "rounds", 11, "Rounds if the time allows; five at least.", lower_bound=1
)
_SECONDS = flags.DEFINE_float(
  "seconds", 10.0, "Of measuring for one entry, in all settings.", lower_bound=0.0
)


def main(_) -> int:
  """Measures entry after entry and writes what is known so far."""
  output = output_path(_OUTPUT.value)
  todo = make_entries(
    entry_lists.read_names("--cells", _CELLS.value, CELLS),
    entry_lists.read_shapes(_SHAPES.value),
    entry_lists.read_names("--directions", _DIRECTIONS.value, DIRECTIONS),
  )
  peers = entry_lists.read_names("--libraries", _LIBRARIES.value, PEERS)
  settings = SETTINGS if _SETTING.value == "both" else (_SETTING.value,)
  cores = machine.cores()
  members = sorted(
    {
      (library, devices_of(library, setting, cores))
      for library in (OURS, LIMIT, *peers)
      for setting in settings
    }
  )
  record = Record(output, settings, cores, machine.describe())
  if record.environment["load_before"] > cores / 2:
    logging.warning("the machine is busy (load %.1f)", os.getloadavg()[0])
  logging.info("%d entries; starting %d processes", len(todo), len(members))
  with Team(members) as team:
    record.versions, record.missing = team.versions, team.missing
    for name, reason in team.missing.items():
      logging.warning("%s is missing: %s", name, reason)
    begin = time.monotonic()
    for number, entry in enumerate(todo):
      told = _measure(team, entry, record)
      left = _left(todo, number + 1, time.monotonic() - begin)
      logging.info("%d/%d %s: %s; %s", number + 1, len(todo), entry, told, left)
  record.environment["load_after"] = os.getloadavg()[0]
  record.write()
  draw(record.rows, output.with_suffix(".svg"))
  print(tables(record.rows))
  for setting in settings:
    for direction in dict.fromkeys(entry.direction for entry in todo):
      print(f"### {setting}, {direction}, in short\n")
      print(short_table(record.rows, setting, direction) + "\n")
  print(summary(record.rows))
  for name, reason in record.missing.items():
    print(f"- missing: {name} ({reason})")
  return 0


def _measure(team: Team, entry: Entry, record: Record) -> str:
  """One entry, into the record; what to say of it."""
  workers = team.prepare(entry)
  try:
    times = rounds(workers, _ROUNDS.value, _SECONDS.value)
  except WorkerFailed as error:
    raise RuntimeError(f"{entry}: {error}") from error
  record.add(entry, {team.member(name): taken for name, taken in times.items()})
  record.failures = team.failures
  record.write()
  return record.told(entry)


def _left(todo: list[Entry], done: int, elapsed: float) -> str:
  """Time that the rest will take, if an entry costs so much and its products."""

  def cost(some: list[Entry]) -> float:
    return sum(_SECONDS.value + 6 + entry.work() / 2.5e9 for entry in some)

  return time_left(elapsed, cost(todo[:done]), cost(todo[done:]))


if __name__ == "__main__":
  command.run(main)
