"""Peak memory and time of a gradient against the length of the sequence.

  python -m benchmarks.memory --output=memory.json

The gradient of the squared norm of the last carry's hidden state with respect to the
parameters of one layer, float32, one CPU device. Arrangements:

  plain scan       autodiff of the scan (adjoint="autodiff")
  fused            the fused adjoint, which keeps every step
  fused, 1 level   and `balanced_segments` on one level, or on two: keeps the carries
  fused, 2 levels  between segments, and computes the rest again

The outputs of all steps would be O(T) themselves; a loss on the last carry needs none
of them. The inputs are O(T) in any case: they exist before, and are not counted.

For each cell and length every arrangement has a fresh process, which gives its memory
twice. The compiler's plan is `temp_size_in_bytes` of its memory analysis: neither
arguments nor results. The measured peak is what the resident set grew by at its
highest in the first run (benchmarks/resident.py), results included: the claim doesn't
rest on the compiler alone. Then the processes take turns in rounds
(benchmarks/interleave.py): `milliseconds` is the median over rounds, `ratio` the
median over rounds of the arrangement / the plain scan with its 95% bootstrap interval.
What the compiler plans more than --most_gib for isn't run: null, and the reason.

Writes FILE.json (rows), FILE.environment.json and FILE.svg; prints a table, and
whether the claim holds where its sizes were measured. Needs Linux.
"""

import os
import time
from typing import Any

from absl import flags, logging

from benchmarks import machine, processes, resident
from benchmarks.entries import CELLS, Shape, read_names, read_sizes
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import Worker, rounds
from benchmarks.memory_figure import draw
from benchmarks.memory_programs import ARRANGEMENTS
from benchmarks.memory_table import claims, make_rows, share, table
from benchmarks.progress import time_left
from rnn_research import command
from rnn_research.errors import UserError

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_LENGTHS = flags.DEFINE_list(
  "lengths", ["100", "1000", "10000", "100000"], "Time steps."
)
_BATCH = flags.DEFINE_integer("batch", 16, "Sequences.", lower_bound=1)
_INPUT = flags.DEFINE_integer("input", 8, "Features of one step.", lower_bound=1)
_HIDDEN = flags.DEFINE_integer("hidden", 128, "Units.", lower_bound=1)
_MOST_GIB = flags.DEFINE_float("most_gib", 8.0, "Of temporaries to run.", lower_bound=0)
_ROUNDS = flags.DEFINE_integer("rounds", 11, "If the time allows.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 8.0, "Of measuring a length.", lower_bound=0)

GIB = 2**30
STEPS_PER_SECOND = 2000  # of all arrangements, with every run and round; for progress
STARTING = 8  # seconds


def main(_) -> int:
  """Measures cell after cell and length after length, and writes what is known."""
  output = output_path(_OUTPUT.value)
  names = read_names("--cells", _CELLS.value, CELLS)
  lengths = read_sizes("--lengths", _LENGTHS.value)
  if not resident.RESET.exists():
    raise UserError("system", f"no {resident.RESET}", "measure memory on Linux")
  environment = machine.describe()
  if environment["load_before"] > environment["cores"] / 2:
    logging.warning("the machine is busy (load %.1f)", os.getloadavg()[0])
  todo = [(cell, length) for length in lengths for cell in names]
  rows: list[dict[str, Any]] = []
  begin = time.monotonic()
  for number, (cell, length) in enumerate(todo):
    shape = Shape(_BATCH.value, length, _INPUT.value, _HIDDEN.value)
    found, environment["versions"] = measure(cell, shape)
    rows += found
    write_json(output, rows)
    write_environment(output, environment)
    left = time_left(
      time.monotonic() - begin, _cost(todo[: number + 1]), _cost(todo[number + 1 :])
    )
    told = ", ".join(
      f"{row['arrangement']} {share(row['peak_share'])}" for row in found
    )
    logging.info(
      "%d/%d %s %d, peak: %s; %s", number + 1, len(todo), cell, length, told, left
    )
  environment["load_after"] = os.getloadavg()[0]
  write_environment(output, environment)
  draw(rows, output.with_suffix(".svg"))
  print(table(rows))
  for line in claims(rows):
    print(f"- {line}")
  return 0


def measure(cell: str, shape: Shape) -> tuple[list[dict[str, Any]], dict[str, str]]:
  """Rows of one cell and length, and the versions it was measured with."""
  workers: dict[str, Worker] = {}
  try:
    for name in ARRANGEMENTS:
      workers[name] = processes.start("memory_worker", 1)
    versions = [worker.answer()["versions"] for worker in workers.values()]
    for name, worker in workers.items():
      worker.say({"compile": [cell, shape, name]})
    memory = {name: _answer(worker, name) for name, worker in workers.items()}
    ready, skipped = {}, {}
    for name, worker in workers.items():
      needed = memory[name]["temporary"] / GIB
      if needed > _MOST_GIB.value:
        skipped[name] = f"plans {needed:.1f} GiB, more than --most_gib"
        continue
      # One after another: together they might not fit.
      worker.say({"run": None})
      memory[name] |= _answer(worker, name)
      ready[name] = worker
    times = rounds(ready, _ROUNDS.value, _SECONDS.value) if ready else {}
  finally:
    for worker in workers.values():
      worker.close()
  return make_rows(cell, shape, memory, times, skipped), versions[0]


def _answer(worker: Worker, name: str) -> dict[str, Any]:
  answer = worker.answer()
  for bad in ("error", "unsupported"):
    if bad in answer:
      raise RuntimeError(f"{name}: {answer[bad]}")
  return answer


def _cost(todo: list[tuple[str, int]]) -> float:
  """Seconds that some cells and lengths take, about."""
  return sum(
    STARTING + _SECONDS.value + length / STEPS_PER_SECOND for _, length in todo
  )


if __name__ == "__main__":
  command.run(main)
