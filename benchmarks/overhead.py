"""What looking inside costs: train steps with each diagnostic on and off.

  python -m benchmarks.overhead --output=overhead.json

The training programs of a config (default: temporal order, T = 60, hidden 50, batch 32)
for one seed on one CPU device. Each variant is a scan over as many train steps as one
dispatch of training has; they take turns in rounds, and `ratio` is the median over
rounds of the variant / the bare step, with its 95% bootstrap interval.

  bare         the update alone; the ledger's entries are left out of the program
  ledger       what every step of training keeps: loss, norms, clip, update
  adjoint      and in every step the norm of each time step's adjoint, over the examples
  saturation   ... the saturated shares of each gate
  weights      ... the norm of each time step's share in the weights' gradients
  everything   ... all three, and the norms of every leaf
  logged       everything in every 25th step (`log_every`): training as shipped

  gradient     the gradient of a step, without its update

The lag gain and the spectra are a program of their own, run every
`diagnostics.lag_every` steps: `inspection` is its time over that of one bare step, and
`share` what it adds to training at the config's interval. `exponents`, the eight
largest Lyapunov exponents on four sequences, are another; `ratio` is over `gradient`.

Writes FILE.json (rows), FILE.environment.json and FILE.svg.
"""

import pathlib
import tempfile
import time
from importlib import metadata
from typing import Any

import jax
from absl import flags, logging

from benchmarks import machine
from benchmarks.entries import CELLS, read_names
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import rounds
from benchmarks.overhead_figure import draw
from benchmarks.overhead_programs import (
  BARE,
  EXPONENTS,
  GRADIENT,
  INSPECTION,
  LOGGED,
  READINGS,
  bare_step,
  exponents_of,
  gradient_step,
  inspection_of,
  make_run,
  shipped,
  steps_of,
  steps_of_dispatch,
)
from benchmarks.overhead_rows import make_rows, table
from benchmarks.progress import time_left
from rnn_research import command
from rnn_research.training.devices import suit_cpu
from rnn_research.training.step import logged_step, plain_step

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_HIDDEN = flags.DEFINE_integer("hidden", 50, "Units.", lower_bound=1)
_LENGTH = flags.DEFINE_integer("length", 60, "Time steps.", lower_bound=11)
_ROUNDS = flags.DEFINE_integer("rounds", 15, "If the time allows.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 40.0, "Of measuring a cell.", lower_bound=0)


def main(_) -> int:
  """Measures cell after cell, writes the rows and prints the table."""
  output = output_path(_OUTPUT.value)
  names = read_names("--cells", _CELLS.value, CELLS)
  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", 1)
  suit_cpu()  # as every training does
  packages = ("rnn_research", "jax", "jaxlib", "flax", "optax")
  environment = machine.describe() | {
    "versions": {p: metadata.version(p) for p in packages}
  }
  rows: list[dict[str, Any]] = []
  begin = time.monotonic()
  for number, cell in enumerate(names, 1):
    rows += measure(cell)
    write_json(output, rows)
    left = time_left(time.monotonic() - begin, number, len(names) - number)
    logging.info("%d/%d %s; %s", number, len(names), cell, left)
  write_environment(output, environment)
  draw(rows, output.with_suffix(".svg"))
  print(table(rows))
  return 0


def measure(cell: str) -> list[dict[str, Any]]:
  """Rows of all variants of one cell."""
  sizes = {"hidden": _HIDDEN.value, "time": _LENGTH.value}
  with tempfile.TemporaryDirectory() as folder:
    runs = {
      name: make_run(cell, *sizes.values(), reading, pathlib.Path(folder) / name)
      for name, reading in READINGS.items()
    }
    whole = runs["everything"]
    steps = steps_of_dispatch(whole.config)
    workers = {
      BARE: steps_of(whole, steps, bare_step),
      "ledger": steps_of(whole, steps, plain_step),
      **{name: steps_of(run, steps, logged_step) for name, run in runs.items()},
      LOGGED: shipped(whole),
      GRADIENT: steps_of(whole, steps, gradient_step),
      INSPECTION: inspection_of(whole),
      EXPONENTS: exponents_of(whole, 8, 4),
    }
    times = rounds(workers, _ROUNDS.value, _SECONDS.value)
  every = whole.config.diagnostics.lag_every
  return [{"cell": cell} | sizes | row for row in make_rows(times, every, steps)]


if __name__ == "__main__":
  command.run(main)
