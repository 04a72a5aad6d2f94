"""Layers, normalisation and ways around a step or a layer.

  python -m experiments.depth_and_norm --workdir=depth_and_norm

For each of `--stacked`: 1, 2 and 4 layers, plain or with the cell's own layer norm;
with several layers, a layer norm or a residual connection between them; with one layer,
the wrappers in time. `--only=rnn_1,rnn_1_zoneout` takes some of the arms; the same
command goes on where it was stopped; `--tiny` shows the whole way in a minute, with
numbers that mean nothing.
"""

import functools
from collections.abc import Iterator
from typing import Any

from absl import flags

from experiments import arms, flag_values
from experiments.conduct import conduct
from experiments.treatments import Treatment, plan_of, setting
from rnn_research import command
from rnn_research.config import CellOptions, Config, ModelConfig
from rnn_research.study import Plan

_STACKED = flags.DEFINE_list("stacked", ["rnn"], "Cells, each with every arm.")
flag_values.some("stacked")

DEPTHS = (1, 2, 4)


def configure(
  cell: str, layers: int, norm: bool | None, fields: dict[str, Any], length: int
) -> Config:
  """A stack of one cell; `fields` are the model's, beside cell, size and layers."""
  options = CellOptions(layer_norm=norm)
  model = ModelConfig(
    cell=cell, cell_options=options, hidden=50, layers=layers, **fields
  )
  return setting(model, length)


def variants(layers: int) -> dict[str, tuple[str, bool | None, dict[str, Any]]]:
  """Label, the cell's layer norm and fields of the model; what does nothing is out."""
  found = {"cell_norm": ("layer norm in the cell", True, {})}
  if layers > 1:
    found["norm"] = ("layer norm between layers", None, {"layer_norm": True})
    found["residual"] = ("residual between layers", None, {"residual": True})
    return found
  wrappers = {
    "zoneout": ("zoneout 0.1", "zoneout:0.1"),
    "variational": ("variational dropout 0.1", "variational:0.1"),
    "time_skip": ("skip of 10 steps", "time_skip:10"),
    "time_residual": ("residual in time", "time_residual"),
  }
  for name, (label, wrapper) in wrappers.items():
    found[name] = (label, None, {"wrappers": (wrapper,)})
  return found


def treatments() -> Iterator[Treatment]:
  """Plain stacks against one layer, and every variant against its plain stack."""
  for cell in _STACKED.value:
    title = arms.NAMES.get(cell, cell)
    for layers in DEPTHS:
      plain = f"{cell}_{layers}"
      depth = f"{title}, {layers} layer{'s' if layers > 1 else ''}"
      yield Treatment(
        plain,
        depth,
        functools.partial(configure, cell, layers, None, {}),
        tuning="learning rate of the cell from pilot runs with one layer",
        baseline="" if layers == 1 else f"{cell}_1",
        knob="layers",
        value=float(layers),
      )
      for name, (label, norm, fields) in variants(layers).items():
        yield Treatment(
          f"{plain}_{name}",
          f"{depth}, {label}",
          functools.partial(configure, cell, layers, norm, fields),
          tuning="untuned, with the plain stack's learning rate",
          baseline=plain,
        )


def make_plan() -> Plan:
  """The whole study, decided before anything runs."""
  return plan_of(
    "Depth and normalisation",
    "Do more layers let more seeds learn, and does a norm, a residual connection or a"
    " wrapper in time, with nothing else changed?",
    list(treatments()),
  )


def main(_):
  """Conducts the study."""
  return conduct(make_plan())


if __name__ == "__main__":
  command.run(main)
