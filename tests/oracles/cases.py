"""What is compared: a cell of ours, whose oracle, and the numbers both are given."""

import pathlib
import zlib
from typing import Any, NamedTuple

import numpy as np

from rnn_research.cells import GRU, LSTM, Elman
from tests.oracles import weights

ARRAYS = pathlib.Path(__file__).parent / "arrays"
TIME, BATCH, INPUTS, HIDDEN, PROJECTED = 5, 3, 2, 3, 2


class Case(NamedTuple):
  """One stored comparison.

  Attributes:
    source: "modules" (torch.nn), "equations" (the papers', in PyTorch), "keras".
    kind: which cell of the source; see `shapes`.
    cell: ours.
    weight_map: from the source's layout of one layer and direction to ours.
    layers: stacked layers.
    directions: 1, or 2 with outputs concatenated.
    lengths: valid steps of each example.
  """

  source: str
  kind: str
  cell: Any
  weight_map: Any
  layers: int = 1
  directions: int = 1
  lengths: tuple[int, ...] = (3, TIME, 1)


CASES = {
  "torch_rnn_tanh": Case("modules", "rnn_tanh", Elman(), weights.torch_rnn),
  "torch_rnn_relu": Case("modules", "rnn_relu", Elman("relu"), weights.torch_rnn),
  "torch_gru": Case("modules", "gru", GRU(), weights.torch_gru),
  "torch_lstm": Case("modules", "lstm", LSTM(), weights.torch_lstm),
  "torch_lstm_projection": Case(
    "modules", "lstm_projection", LSTM(projection=PROJECTED), weights.torch_lstm
  ),
  "keras_rnn": Case("keras", "keras_rnn", Elman(), weights.keras_rnn),
  "keras_gru": Case("keras", "keras_gru", GRU(), weights.keras_gru),
  "keras_gru_before": Case(
    "keras", "keras_gru_before", GRU(reset_after=False), weights.keras_gru_before
  ),
  "keras_lstm": Case("keras", "keras_lstm", LSTM(), weights.keras_rnn),
}
CASES |= {
  f"{name}_deep": case._replace(layers=2, directions=2)
  for name, case in CASES.items()
  if case.source == "modules"
}
# PyTorch has no such modules, and no length 0.
CASES |= {
  name: Case("equations", name, cell, weight_map, layers, 2, (3, TIME, 0))
  for name, cell, weight_map, layers in (
    ("gru_before", GRU(reset_after=False), weights.gru_before, 2),
    ("lstm_peepholes", LSTM(peepholes=True), weights.torch_lstm, 2),
    ("lstm_coupled", LSTM(coupled=True), weights.torch_lstm, 2),
    ("lstm_layer_norm", LSTM(layer_norm=True), weights.lstm_layer_norm, 1),
    (
      "lstm_everything",
      LSTM(peepholes=True, coupled=True, projection=PROJECTED, layer_norm=True),
      weights.lstm_layer_norm,
      1,
    ),
  )
}


def shapes(kind, inputs):
  """The weights of one layer and direction, in the source's layout."""
  size = HIDDEN
  if kind.startswith("keras"):
    gates = {"keras_rnn": 1, "keras_lstm": 4}.get(kind, 3) * size
    bias = (2, gates) if kind == "keras_gru" else (gates,)
    return {
      "kernel": (inputs, gates),
      "recurrent_kernel": (size, gates),
      "bias": bias,
    }
  gates = {"rnn": 1, "gru": 3}.get(kind[:3], 4) * size
  if kind in ("lstm_coupled", "lstm_everything"):
    gates = 3 * size
  seen = output_size(kind)
  found = {"weight_ih": (gates, inputs), "weight_hh": (gates, seen)}
  if seen != size:
    found["weight_hr"] = (seen, size)
  if kind in ("lstm_layer_norm", "lstm_everything"):
    found |= {
      f"{p}_{q}": (gates,) for p in ("scale", "bias") for q in ("input", "hidden")
    }
    found |= {"scale_memory": (size,), "bias_memory": (size,)}
  else:
    found |= {"bias_ih": (gates,), "bias_hh": (gates,)}
  if kind in ("lstm_peepholes", "lstm_everything"):
    names = "ifo" if kind == "lstm_peepholes" else "fo"
    found |= {f"peephole_{name}": (size,) for name in names}
  return found


def output_size(kind):
  """Entries of h."""
  return PROJECTED if kind in ("lstm_projection", "lstm_everything") else HIDDEN


def suffix(layer, direction):
  """PyTorch's suffix of a layer's weights."""
  return f"_l{layer}" + ("_reverse" if direction else "")


def draw(name):
  """Seeded random numbers for a case: no block of gates resembles another."""
  case = CASES[name]
  generator = np.random.default_rng(zlib.crc32(name.encode()))
  seen = output_size(case.kind)
  rows = case.layers * case.directions

  def normal(*shape):
    return generator.standard_normal(shape)

  arrays = {"lengths": np.array(case.lengths)}
  for layer in range(case.layers):
    inputs = case.directions * seen if layer else INPUTS
    for direction in range(case.directions):
      for key, shape in shapes(case.kind, inputs).items():
        arrays[f"weights/{key}{suffix(layer, direction)}"] = 0.7 * normal(*shape)
  valid = np.arange(TIME)[:, None, None] < arrays["lengths"][:, None]
  arrays["xs"] = normal(TIME, BATCH, INPUTS)
  arrays["cotangents/outputs"] = valid * normal(TIME, BATCH, case.directions * seen)
  for leaf, size in (("hidden", seen), ("memory", HIDDEN)):
    if leaf == "hidden" or "lstm" in case.kind:
      arrays[f"carry/{leaf}"] = normal(rows, BATCH, size)
      arrays[f"cotangents/{leaf}"] = normal(rows, BATCH, size)
  return arrays


def part(arrays, prefix):
  """The entries below a prefix, without it."""
  return {
    key.removeprefix(f"{prefix}/"): value
    for key, value in arrays.items()
    if key.startswith(f"{prefix}/")
  }
