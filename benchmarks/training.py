"""Whole train steps per second: this project's loop against Flax's and PyTorch's.

  pip install -e '.[bench]'
  python -m rnn_research.data.prepare --dataset=digits
  python -m benchmarks.training --output=training.json

Two tasks as shipped: `configs/temporal_order.py`, sampled afresh in every step, and
`configs/digits.py`, read from a data set; three cells each. A step draws its batch and
makes forward and backward pass, clip, Adam. Ours is `Run.train` with its ledger, the
adjoint of every logged step and all records on disk, at the config's `log_every`;
evaluation, lag gains and checkpoints are off, which others don't have
(benchmarks/loops/ours.py). Theirs is the loop that their documentation shows, which
fetches a loss as often (benchmarks/loops/flax.py, torch.py).

With several seeds, ours trains them in one program; others train one, and their many
seeds would be so many runs one after another. Counted are the steps of one seed:
10 seeds that make 100 steps each are 1,000. Settings:

  same_devices  one CPU device each, PyTorch with one thread; XLA is otherwise as it
                comes, and two threads of ours read a data set ahead
  as_shipped    ours with one device a core, which share the seeds or else the batch;
                Flax as its loop is written, PyTorch with one thread or one a core,
                whichever is faster

Every library runs in a process of its own and sleeps while others are measured. They
take turns in rounds (benchmarks/interleave.py), a call is a chunk of 100 steps
(benchmarks/loops/worker.py). `steps_per_second` is of the median over rounds, `ratio`
the median over rounds of the time of one step, ours / library, with its 95% bootstrap
interval (benchmarks/ratios.py). `waiting_share` is the part of its time that ours
waited for batches of the data set.

Writes, after every entry anew, FILE.json (rows), FILE.environment.json and FILE.svg;
prints tables at the end.

Exit codes: 0 finished, 2 bad input.
"""

import os
import time
from typing import Any

from absl import flags, logging

from benchmarks import machine
from benchmarks.entries import CELLS, read_names, read_sizes
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import WorkerFailed, rounds
from benchmarks.loops.entries import CHUNK, TASKS, Entry, config_of
from benchmarks.record import SETTINGS
from benchmarks.team import OURS, Team
from benchmarks.training_figure import draw
from benchmarks.training_rows import PEERS, devices_of, rows_of, table
from rnn_research import command
from rnn_research.data import load

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_SETTING = flags.DEFINE_enum("setting", "both", [*SETTINGS, "both"], "See above.")
_TASKS = flags.DEFINE_list("tasks", list(TASKS), "Tasks.")
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_SEEDS = flags.DEFINE_list("seeds", ["1", "10"], "Seeds of ours in one program.")
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
  todo = [
    Entry(task, cell, seeds)
    for task in read_names("--tasks", _TASKS.value, TASKS)
    for cell in read_names("--cells", _CELLS.value, CELLS)
    for seeds in read_sizes("--seeds", _SEEDS.value)
  ]
  peers = read_names("--libraries", _LIBRARIES.value, PEERS)
  for data in {entry.task: config_of(entry).data for entry in todo}.values():
    if data.name:
      load(data)  # says what to do if it isn't prepared
  settings = SETTINGS if _SETTING.value == "both" else (_SETTING.value,)
  cores = machine.cores()
  members = sorted(
    {
      (library, devices_of(library, setting, cores))
      for library in (OURS, *peers)
      for setting in settings
    }
  )
  environment = machine.describe()
  if environment["load_before"] > cores / 2:
    logging.warning("the machine is busy (load %.1f)", os.getloadavg()[0])
  logging.info("%d entries; starting %d processes", len(todo), len(members))
  rows: list[dict[str, Any]] = []
  with Team(members, worker="loops.worker") as team:
    for name, reason in team.missing.items():
      logging.warning("%s is missing: %s", name, reason)
    begin = time.monotonic()
    for number, entry in enumerate(todo, start=1):
      times, waited = _measure(team, entry)
      for setting in settings:
        rows += rows_of(entry, setting, cores, CHUNK, times, waited)
      write_json(output, rows)
      write_environment(
        output,
        environment
        | {
          "versions": team.versions,
          "missing": team.missing,
          "failures": team.failures,
          "load_after": os.getloadavg()[0],
        },
      )
      draw(rows, output.with_suffix(".svg"))
      left = (time.monotonic() - begin) / number * (len(todo) - number)
      told = ", ".join(
        f"{row['library']} {row['steps_per_second']:.0f}"
        for row in rows
        if row["setting"] == settings[-1]
        and (row["task"], row["cell"], row["seeds"]) == entry
      )
      logging.info(
        "%d/%d %s, steps/s: %s; %.0f s left", number, len(todo), entry, told, left
      )
  print(table(rows))
  for name, reason in team.missing.items():
    print(f"- missing: {name} ({reason})")
  return 0


def _measure(team: Team, entry: Entry):
  """Seconds of one call in each round, and the shares waited, by member."""
  workers = team.prepare(entry)
  try:
    times = rounds(workers, _ROUNDS.value, _SECONDS.value)
    waited = {n: worker.ask({"waited": None}) for n, worker in workers.items()}
  except WorkerFailed as error:
    raise RuntimeError(f"{entry}: {error}") from error
  return (
    {team.member(name): taken for name, taken in times.items()},
    {team.member(name): answer["waited"] for name, answer in waited.items()},
  )


if __name__ == "__main__":
  command.run(main)
