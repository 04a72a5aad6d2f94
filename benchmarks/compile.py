"""Time until a gradient can run, against the length of the sequence.

  python -m benchmarks.compile --output=compile.json

Traced and compiled from nothing, for one CPU device: the gradient of sum(y^2) with
respect to parameters and inputs of one layer. The caches in memory are emptied before
each time and the one on disk is off. Cells and lengths take turns in rounds. A scan is
one program whatever its length, so the ratio of the longest to the shortest should be
1: it is the median over rounds, with its 95% bootstrap interval.

Writes FILE.json (rows), FILE.environment.json and FILE.svg.
"""

import functools
import statistics
import time
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags, logging

from benchmarks import machine
from benchmarks.compile_figure import draw
from benchmarks.entries import CELLS, Shape, read_names, read_shapes, read_sizes
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import order
from benchmarks.ratios import Ratio, ratio_of
from rnn_research import cells, command
from rnn_research.unroll import unroll

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_CELLS = flags.DEFINE_list("cells", list(CELLS), "Cells.")
_LENGTHS = flags.DEFINE_list("lengths", ["100", "1000", "10000"], "Time steps.")
_SHAPE = flags.DEFINE_string(
  "shape", "32x1x64x128", "batch x time x input x hidden; the time is ignored."
)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Compilations of each.", lower_bound=1)


def main(_) -> int:
  """Compiles in rounds, writes the rows and prints the table."""
  output = output_path(_OUTPUT.value)
  names = read_names("--cells", _CELLS.value, CELLS)
  lengths = read_sizes("--lengths", _LENGTHS.value)
  (shape,) = read_shapes([_SHAPE.value])
  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_enable_compilation_cache", False)
  environment = machine.describe() | {
    "versions": {p: metadata.version(p) for p in ("rnn_research", "jax", "jaxlib")}
  }
  subjects = {
    f"{name} {length}": (name, shape._replace(time=length))
    for name in names
    for length in lengths
  }
  # The first compilation of a process starts the compiler too.
  time_once(names[0], shape._replace(time=2))
  times: dict[str, list[tuple[float, float]]] = {key: [] for key in subjects}
  begin = time.monotonic()
  for turn in range(_ROUNDS.value):
    for key in order(list(subjects), turn):
      times[key].append(time_once(*subjects[key]))
    left = (time.monotonic() - begin) / (turn + 1) * (_ROUNDS.value - turn - 1)
    logging.info("round %d/%d; %.0f s left", turn + 1, _ROUNDS.value, left)
  rows = []
  for key, (name, at) in subjects.items():
    first = f"{name} {lengths[0]}"
    rows.append(_row(name, at, times[key], times[first]))
  write_json(output, rows)
  write_environment(output, environment)
  draw(rows, output.with_suffix(".svg"))
  print(table(rows))
  return 0


def time_once(name: str, shape: Shape) -> tuple[float, float]:
  """Seconds of tracing (and lowering), and of compiling, from nothing."""
  jax.clear_caches()
  cell = cells.CELLS[name]()
  params = jax.eval_shape(
    functools.partial(cell.init, input_size=shape.input, hidden_size=shape.hidden),
    jax.random.key(0),
  )
  xs = jax.ShapeDtypeStruct((shape.time, shape.batch, shape.input), jnp.float32)

  def square(params, xs):
    return (unroll(cell, params, xs)[1] ** 2).sum()

  begin = time.perf_counter()
  lowered = jax.jit(jax.grad(square, argnums=(0, 1))).lower(params, xs)
  between = time.perf_counter()
  lowered.compile()
  return between - begin, time.perf_counter() - between


def table(rows: list[dict[str, Any]]) -> str:
  """A line a cell and length, as markdown."""
  lines = [
    "| cell | time steps | tracing, s | compiling, s | both, s | ratio to shortest |",
    "| --- | --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    parts = [f"{row[key]:.3f}" for key in ("trace", "compile", "seconds")]
    parts.append(Ratio.of_row(row).told())
    lines.append(f"| {row['cell']} | {row['time']} | {' | '.join(parts)} |")
  return "\n".join(lines)


def _row(name, shape, times, first):
  both = [sum(one) for one in times]
  ratio = ratio_of(both, [sum(one) for one in first])
  return {
    "cell": name,
    **shape._asdict(),
    "trace": statistics.median(one[0] for one in times),
    "compile": statistics.median(one[1] for one in times),
    "seconds": statistics.median(both),
    **ratio.columns(),
    "rounds": len(times),
  }


if __name__ == "__main__":
  command.run(main)
