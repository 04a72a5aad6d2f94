"""Time of a training step of recurrent classifiers against that of a causal CNN.

  python -m benchmarks.cnn --output=cnn.json

It is often said that recurrent networks take four times longer to train than
convolutional ones. Here all have the same number of parameters, hence about the same
number of multiplications a time step: one recurrent layer (tanh RNN, GRU, LSTM), and a
temporal convolutional network (Bai, Kolter and Koltun 2018) whose dilated blocks are
as many as it takes to see the whole sequence. Each reads T steps and classifies from
the last. A step is the loss, the gradient with respect to the parameters and Adam, in
float32, jitted, one CPU device for all (--cpu_devices splits the batch of all).

All are programs of JAX and share this process; they take turns in rounds
(benchmarks/interleave.py). The CNN is of `flax.linen.Conv`; written by hand, with one
product a tap or all taps gathered into one product, it was slower on CPU. `ratio` is
the median over rounds of the model / the CNN with its 95% bootstrap interval. There is
no constant: it depends on T, on the batch, and above all on how many steps the machine
can do at once, which on an accelerator are many more than on a CPU.

Writes FILE.json (rows), FILE.environment.json and FILE.svg.
"""

import statistics
from importlib import metadata
from typing import Any

import jax
import numpy as np
import optax
from absl import flags, logging
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks import machine
from benchmarks.cnn_figure import draw
from benchmarks.cnn_models import (
  CNN,
  MODELS,
  blank,
  build,
  count,
  train_step,
  widest,
)
from benchmarks.entries import Shape, read_sizes
from benchmarks.files import output_path, write_environment, write_json
from benchmarks.interleave import rounds
from benchmarks.ratios import Ratio, ratio_of
from benchmarks.serving import Here
from rnn_research import command
from rnn_research.errors import UserError
from rnn_research.training.placement import make_layout

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_LENGTHS = flags.DEFINE_list("lengths", ["64", "128", "256", "512", "1024"], "Steps.")
_BATCH = flags.DEFINE_integer("batch", 32, "Sequences.", lower_bound=1)
_FEATURES = flags.DEFINE_integer("features", 8, "Of one input.", lower_bound=1)
_PARAMETERS = flags.DEFINE_integer("parameters", 70000, "At most.", lower_bound=1)
_KERNEL_SIZE = flags.DEFINE_integer("kernel_size", 7, "Of the CNN.", lower_bound=2)
_DEVICES = flags.DEFINE_integer("cpu_devices", 1, "For the batch.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 11, "If the time allows.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "Of measuring a length.", lower_bound=0)

CLASSES = 10
LEARNING_RATE = 1e-3


def main(_) -> int:
  """Measures length after length, writes the rows and prints the table."""
  output = output_path(_OUTPUT.value)
  lengths = read_sizes("--lengths", _LENGTHS.value)
  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", _DEVICES.value)
  packages = ("rnn_research", "jax", "jaxlib", "flax", "optax")
  environment = machine.describe() | {
    "versions": {package: metadata.version(package) for package in packages}
  }
  rows: list[dict[str, Any]] = []
  for length in lengths:
    shape = Shape(_BATCH.value, length, _FEATURES.value, 0)
    rows += measure(shape)
    write_json(output, rows)
    told = [
      f"{r['model']} {r['milliseconds']:.3g}" for r in rows if r["time"] == length
    ]
    logging.info("%d steps, ms: %s", length, ", ".join(told))
  write_environment(output, environment)
  draw(rows, output.with_suffix(".svg"))
  print(table(rows))
  return 0


def measure(shape: Shape) -> list[dict[str, Any]]:
  """Rows of all models at one length; `hidden` of the shape is their width.

  Raises:
    UserError: the parameters don't suffice for one of them.
  """
  sizes, workers = {}, {}
  for name in MODELS:
    size = widest(name, shape, CLASSES, _KERNEL_SIZE.value, _PARAMETERS.value)
    if not size:
      raise UserError("--parameters", f"too few for {name}", "give more of them")
    model = build(name, size, CLASSES, _KERNEL_SIZE.value)
    sizes[name] = (size, count(model, shape))
    workers[name] = Here([_way(model, shape)])
  times = rounds(workers, _ROUNDS.value, _SECONDS.value)
  rows = []
  for name, taken in times.items():
    ratio = ratio_of(taken, times[CNN])
    rows.append(
      {
        "model": name,
        "batch": shape.batch,
        "time": shape.time,
        "input": shape.input,
        "width": sizes[name][0],
        "parameters": sizes[name][1],
        "devices": _DEVICES.value,
        "milliseconds": statistics.median(taken) * 1e3,
        **ratio.columns(),
        "rounds": len(taken),
      }
    )
  return rows


def table(rows: list[dict[str, Any]]) -> str:
  """A line a length and model, as markdown."""
  lines = [
    "| time steps | model | width | parameters | ms | model / CNN |",
    "| --- | --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    lines.append(
      f"| {row['time']} | {row['model']} | {row['width']} | {row['parameters']} "
      f"| {row['milliseconds']:.2f} | {Ratio.of_row(row).told()} |"
    )
  return "\n".join(lines)


def _way(model, shape):
  """A training step on random numbers, compiled and found to be finite."""
  layout = make_layout(1, shape.batch, jax.devices())
  everywhere = NamedSharding(layout.mesh, P())
  optimizer = optax.adam(LEARNING_RATE)
  draw_numbers = np.random.default_rng(0)
  batch = blank(shape)
  inputs = draw_numbers.standard_normal(batch.inputs.shape, np.float32)
  targets = draw_numbers.integers(CLASSES, size=shape.batch, dtype=np.int32)
  batch = batch._replace(
    inputs=jax.device_put(inputs, NamedSharding(layout.mesh, P(None, "batch"))),
    targets=jax.device_put(targets, NamedSharding(layout.mesh, P("batch"))),
    weights=jax.device_put(batch.weights, NamedSharding(layout.mesh, P("batch"))),
  )
  params = jax.device_put(model.init(jax.random.key(0), batch), everywhere)
  state = jax.device_put(optimizer.init(params), everywhere)

  def way():
    return jax.block_until_ready(train_step(model, optimizer, params, state, batch))

  if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(way())):
    raise ArithmeticError(f"{type(model).__name__}: a training step is not finite")
  return way


if __name__ == "__main__":
  command.run(main)
