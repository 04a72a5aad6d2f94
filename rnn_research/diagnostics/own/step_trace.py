"""A user's step as a `Trace`: what every diagnostic of a layer takes."""

import dataclasses
from typing import Any

from jaxtyping import Float, Int

from rnn_research.array_types import Array, Carry, Lengths
from rnn_research.cells import Cell
from rnn_research.diagnostics.own.fork import Step, new_carry
from rnn_research.unroll import Trace


@dataclasses.dataclass(frozen=True)
class StepCell(Cell):
  """A step of one's own behind a cell's interface; for `retrace` and `advance` alone.

  Its projection is the step's parameters and input as they are, so it keeps none of
  the laws that the fused adjoint asks of a cell: it can be looked into, not trained.

  Attributes:
    function: (params, carry, x) -> (new carry, output).
  """

  function: Step

  @property
  def products(self):
    """None has a name."""
    return ()

  @property
  def opaque(self):
    """It can't be taken apart."""
    return True

  def project(self, input_params, x):
    """Nothing is computed ahead of the step."""
    return input_params, x

  def step(self, tape, params, carry, projection, noise, context):
    """The step; it names no gates."""
    own, x = projection
    return new_carry(self.function, own, carry, x), {}


def step_trace(
  step: Step,
  params: Any,
  carry: Carry,
  xs: Float[Array, "time batch ..."] | Int[Array, "time batch ..."],
  lengths: Lengths | None = None,
) -> Trace:
  """One run of a step, for the diagnostics that take a `Trace`.

      loss_gain(step_trace(step, params, carry, xs), adjoint)

  The state is the whole carry, leaves side by side in the order of `jax.tree`. What
  tells recurrent products or gates apart refuses it: a step names none.

  Args:
    step: pure, (params, carry, x) -> (new carry, output), each example by itself.
    params: any pytree.
    carry: before the first step; any pytree of floats, leaves (batch, ...).
    xs: time-major.
    lengths: valid steps of each example, None for all.
  """
  return Trace(
    StepCell(step), False, {"input": params}, xs, lengths, initial_carry=carry
  )
