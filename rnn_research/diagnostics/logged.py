"""What is read in the backward pass of a logged train step."""

import functools
from typing import Any, NamedTuple

from jaxtyping import Float, Int

from rnn_research.array_types import AnyArray, Carry, Lengths
from rnn_research.diagnostics.adjoint import total_adjoint
from rnn_research.diagnostics.saturation import (
  Saturation,
  mean_saturation,
  saturation,
)
from rnn_research.diagnostics.weight_gradient import weight_factors
from rnn_research.norms import row_norms
from rnn_research.unroll import Event, Measure, Readings, Stacked


class Reading(NamedTuple):
  """Which of the readings are asked for; static.

  Attributes:
    adjoint: norm of the total adjoint of every step.
    saturation: shares of saturated units of every gate.
    weights: norm of every step's share in the recurrent weights' gradients.
    carry: the adjoint itself, for who computes with it; stays on the device.
  """

  adjoint: bool = True
  saturation: bool = True
  weights: bool = True
  carry: bool = False


class LayerReading(NamedTuple):
  """What a logged step tells of one layer; {} or None where it wasn't asked for.

  Attributes:
    adjoint: |dl/ds_t| of the loss as differentiated, (time, batch).
    saturation: by gate, over all valid steps and examples.
    weights: |dW_t| of each product, (time, batch).
    lengths: valid steps of each example, None for all.
  """

  adjoint: Float[AnyArray, "time batch"] | None
  saturation: dict[str, Saturation]
  weights: dict[str, Float[AnyArray, "time batch"]]
  lengths: Int[AnyArray, "batch"] | None


@functools.cache
def logged_measure(reading: Reading) -> Measure | None:
  """The measure that reads them; None if there is nothing to read.

  Cached, because programs that differ in their measure are compiled anew.
  """

  def inside(event: Event) -> Any:
    # Its norm is taken behind the scan: one pass over a stack, not T small ones.
    read = total_adjoint(event) if reading.adjoint else ()
    return read, event.adjoint if reading.carry else ()

  def after(stacked: Stacked) -> LayerReading:
    adjoint = stacked.inside[0] if reading.adjoint else None
    factors = weight_factors(stacked) if reading.weights else {}
    adjoint, factors = row_norms((adjoint, factors))
    return LayerReading(
      adjoint=adjoint,
      saturation=saturation(stacked) if reading.saturation else {},
      weights={name: h * dz for name, (h, dz) in factors.items()},
      lengths=None,
    )

  return Measure(inside, after) if any(reading) else None


def carry_adjoint(readings: Readings) -> Carry:
  """dl/ds_t of one layer, leaves (time, batch, ...), where `carry` was asked for."""
  return readings.inside[1]


def layer_reading(readings: Readings, lengths: Lengths | None) -> LayerReading:
  """What `logged_measure` read of one layer, small enough to leave the device."""
  found = readings.after
  return found._replace(
    saturation=mean_saturation(found.saturation, lengths), lengths=lengths
  )
