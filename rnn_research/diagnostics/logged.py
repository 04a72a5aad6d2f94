"""What is read in the backward pass of a logged train step."""

import functools
from typing import Any, NamedTuple

from rnn_research.array_types import Lengths, Scalar
from rnn_research.diagnostics.adjoint import (
  ADJOINT_NORM,
  AdjointCurves,
  adjoint_curves,
)
from rnn_research.diagnostics.over_examples import Curves
from rnn_research.diagnostics.saturation import (
  Saturation,
  mean_saturation,
  saturation,
)
from rnn_research.diagnostics.weight_gradient import weight_curves, weight_norms
from rnn_research.unroll import Event, Measure, Readings, Stacked


class Reading(NamedTuple):
  """Which of the readings are asked for; static.

  Attributes:
    adjoint: norm of the total adjoint of every step.
    saturation: shares of saturated units of every gate.
    weights: norm of every step's share in the recurrent weights' gradients.
  """

  adjoint: bool = True
  saturation: bool = True
  weights: bool = True


class LayerReading(NamedTuple):
  """What a logged step tells of one layer; {} or None where it wasn't asked for.

  Attributes:
    adjoint: curves over time.
    saturation: by gate.
    weights: curves over time, by product.
  """

  adjoint: AdjointCurves | None
  saturation: dict[str, Saturation]
  weights: dict[str, Curves]


@functools.cache
def logged_measure(reading: Reading) -> Measure | None:
  """The measure that reads them; None if there is nothing to read.

  Cached, because programs that differ in their measure are compiled anew.
  """

  def inside(event: Event) -> Any:
    return {"adjoint": ADJOINT_NORM.inside(event)} if reading.adjoint else {}

  def after(stacked: Stacked) -> Any:
    found = {}
    if reading.saturation:
      found["saturation"] = saturation(stacked)
    if reading.weights:
      found["weights"] = weight_norms(stacked)
    return found

  return Measure(inside, after) if any(reading) else None


def reduce_readings(
  readings: Readings, count: Scalar, lengths: Lengths | None, reverse: bool
) -> LayerReading:
  """What `logged_measure` read of one layer, over the examples.

  Args:
    readings: of the layer.
    count: what the loss was divided by.
    lengths: valid steps, None for all.
    reverse: whether the layer reads from the last step to the first.
  """
  norms = readings.inside.get("adjoint")
  return LayerReading(
    adjoint=None if norms is None else adjoint_curves(norms, count, lengths, reverse),
    saturation=mean_saturation(readings.after.get("saturation", {}), lengths),
    weights=weight_curves(readings.after.get("weights", {}), count, lengths),
  )
