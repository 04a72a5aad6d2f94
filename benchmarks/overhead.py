"""What looking inside costs: train steps with each diagnostic on and off.

  python -m benchmarks.overhead --output=overhead.json

The training programs of a config (default: temporal order, T = 60, hidden 50, batch 32)
for one seed on one CPU device. Each variant is a scan over --steps train steps in one
dispatch; they take turns in rounds, and `ratio` is the median over rounds of the
variant / the bare step, with its 95% bootstrap interval.

  bare         the update alone; the ledger's entries are left out of the program
  ledger       what every step of training keeps: loss, norms, clip, update
  adjoint      and in every step the norm of each time step's adjoint, over the examples
  saturation   ... the saturated shares of each gate
  weights      ... the norm of each time step's share in the weights' gradients
  everything   ... all three, and the norms of every leaf
  logged       everything in the last step of a dispatch: training as shipped

The lag gain and the spectra are a program of their own, run every
`diagnostics.lag_every` steps: `inspection` is its time over that of one bare step, and
`share` what it adds to training at the config's interval.

Writes FILE.json (rows), FILE.environment.json and FILE.svg.
"""

import functools
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import jax
from absl import flags, logging
from jax import lax

from benchmarks import machine
from benchmarks.entries import CELLS, read_names
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import rounds
from benchmarks.overhead_figure import draw
from benchmarks.progress import time_left
from benchmarks.ratios import ratio_of
from benchmarks.serving import Here
from configs import temporal_order
from rnn_research import command
from rnn_research.diagnostics import Reading
from rnn_research.training.devices import keep_freed_memory
from rnn_research.training.inspection import compile_inspect, inspection_batch
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.program import Program
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.rows import spectrum_row
from rnn_research.training.run import Run
from rnn_research.training.start import start
from rnn_research.training.state import make_state
from rnn_research.training.step import logged_step, plain_step

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_HIDDEN = flags.DEFINE_integer("hidden", 50, "Units.", lower_bound=1)
_LENGTH = flags.DEFINE_integer("length", 60, "Time steps.", lower_bound=11)
_STEPS = flags.DEFINE_integer("steps", 25, "Train steps of a dispatch.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 15, "If the time allows.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 40.0, "Of measuring a cell.", lower_bound=0)

BARE = "bare"
LOGGED = "logged"
INSPECTION = "inspection"
READINGS = {
  "adjoint": Reading(True, False, False),
  "saturation": Reading(False, True, False),
  "weights": Reading(False, False, True),
  "everything": Reading(),
}
VARIANTS = (BARE, "ledger", *READINGS, LOGGED)


def main(_) -> int:
  """Measures cell after cell, writes the rows and prints the table."""
  output = output_path(_OUTPUT.value)
  names = read_names("--cells", _CELLS.value, CELLS)
  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", 1)
  keep_freed_memory()  # as every training does
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
  with tempfile.TemporaryDirectory() as folder:
    runs = {
      name: _run(cell, reading, pathlib.Path(folder) / name)
      for name, reading in READINGS.items()
    }
    whole = runs["everything"]
    every = whole.config.diagnostics.lag_every
    workers = {
      BARE: _steps(whole.program, whole, bare_step),
      "ledger": _steps(whole.program, whole, plain_step),
      **{name: _steps(run.program, run, logged_step) for name, run in runs.items()},
      LOGGED: _steps(whole.program, whole, plain_step, logged_step),
      INSPECTION: _inspection(whole),
    }
    times = rounds(workers, _ROUNDS.value, _SECONDS.value)
  sizes = {"cell": cell, "hidden": _HIDDEN.value, "time": _LENGTH.value}
  return [sizes | row for row in make_rows(times, every, _STEPS.value)]


def make_rows(
  times: dict[str, list[float]], every: int, steps: int
) -> list[dict[str, Any]]:
  """Rows of one cell.

  Args:
    times: seconds in each round; of a dispatch of `steps` train steps, or of one
      inspection.
    every: train steps from one inspection to the next.
    steps: of a dispatch.
  """
  bare = [taken / steps for taken in times[BARE]]
  rows = []
  for name, taken in times.items():
    each = taken if name == INSPECTION else [one / steps for one in taken]
    ratio = ratio_of(each, bare)
    share = ratio.median / every if name == INSPECTION else ratio.median - 1
    rows.append(
      {
        "variant": name,
        "milliseconds": statistics.median(each) * 1e3,
        "ratio": ratio.median,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "share": share,
        "rounds": len(taken),
      }
    )
  return rows


def table(rows: list[dict[str, Any]]) -> str:
  """A line a cell and variant, as markdown."""
  lines = [
    "| cell | variant | ms | over the bare step | added to training |",
    "| --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    ratio = f"{row['ratio']:.3f} ({row['ratio_low']:.3f}-{row['ratio_high']:.3f})"
    lines.append(
      f"| {row['cell']} | {row['variant']} | {row['milliseconds']:.3f} "
      f"| {ratio} | {row['share']:.1%} |"
    )
  return "\n".join(lines)


def _run(cell: str, reading: Reading, folder: pathlib.Path) -> Run:
  """The run of the config, not begun."""
  config = temporal_order.get_config()
  config.seeds = 1
  config.model.cell, config.model.hidden = cell, _HIDDEN.value
  config.task.length = _LENGTH.value
  for name, asked in reading._asdict().items():
    setattr(config.diagnostics, name, asked)
  return start(config, str(folder))


def bare_step(program: Program, state: Any, given: Any) -> tuple[Any]:
  """A step that keeps nothing but the state, so that nothing else is computed."""
  state, _ = plain_step(program, state, given)
  return (state,)


def _steps(
  program: Program, run: Run, step: Callable, last: Callable | None = None
) -> Here:
  """A dispatch of equal steps; with `last`, of which the last is another."""
  count = _STEPS.value - (last is not None)

  @jax.jit
  def dispatch(state):
    def body(state, _):
      state, *kept = step(program, state, None)
      return state, kept

    state, kept = lax.scan(body, state, length=count)
    if last is None:
      return state, kept
    return last(program, state, None), kept

  return Here([_way(dispatch, first_state(run))])


def _inspection(run: Run) -> Here:
  """Lag gain of every layer, and the spectra of its matrices on the host."""
  program, config = run.program, run.config
  batch = inspection_batch(program, config.diagnostics.lag_examples, None)
  inspect = compile_inspect(program, config.diagnostics.lag_probes)
  params = jax.tree.map(lambda leaf: leaf[None], first_state(run).params)
  cells = {"layer_0": program.model.stacked.cell}

  def way():
    found = jax.block_until_ready(inspect(params, batch))
    spectrum_row(cells, jax.device_get(params))
    return found

  way()
  return Here([way])


def first_state(run: Run) -> Any:
  """One seed's first state, without the seed axis."""
  config = run.config
  states = make_state(
    run.program,
    seed_keys(config.seed, config.seeds),
    make_hyper(config.optimizer),
    run.source.shapes(config.train.batch),
  )
  return jax.tree.map(lambda leaf: leaf[0], states)


def _way(dispatch: Callable, state: Any) -> Callable[[], Any]:
  way = functools.partial(_finish, dispatch, state)
  way()
  return way


def _finish(dispatch, state):
  return jax.block_until_ready(dispatch(state))


if __name__ == "__main__":
  command.run(main)
