"""What is left of a gradient that never passes through a recurrent weight.

J_t = D_t + M_t: D_t is ds_t/ds_{t-1} with the results of all products held fixed (the
LSTM's forget gate, the GRU's update gate; peepholes belong to it), M_t the rest. An
Elman network has D = 0. The path gain over k steps,

    |D'_{T-k+1} .. D'_T a| / |a|,

stands beside the loss gain |P_k' a| / |a|: one-step shares of D mislead, since a share
of 0.8 in every step is next to nothing of what arrives after fifty.
"""

import dataclasses

from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.cells import Cell
from rnn_research.diagnostics.lag import loss_gain
from rnn_research.diagnostics.state import recurrent_operations
from rnn_research.unroll import Trace


@dataclasses.dataclass(frozen=True)
class Direct(Cell):
  """The inner cell, whose products pass no derivative: its Jacobian is D_t.

  To be looked at, not trained: the values are the inner cell's, gradients are not.
  """

  inner: Cell

  @property
  def products(self):
    """The inner cell's."""
    return self.inner.products

  @property
  def probes(self):
    """The inner cell's."""
    return self.inner.probes

  @property
  def input_operation(self):
    """The inner cell's."""
    return self.inner.input_operation

  def project(self, input_params, x):
    """The inner cell's."""
    return self.inner.project(input_params, x)

  def initial_carry(self, params, projection):
    """The inner cell's."""
    return self.inner.initial_carry(params, projection)

  def noise(self, key, time, projection):
    """The inner cell's."""
    return self.inner.noise(key, time, projection)

  def step(self, tape, params, carry, projection, noise, context):
    """The inner step, on a tape that cuts its products off."""

    def product(name, value):
      return lax.stop_gradient(tape.product(name, value))

    cut = dataclasses.replace(tape, product=product)
    return self.inner.step(cut, params, carry, projection, noise, context)


def direct_trace(trace: Trace) -> Trace:
  """The same trajectory, with D_t in place of J_t.

  Raises:
    StepError: for a step of somebody's own, which names no products.
  """
  recurrent_operations(trace.cell)
  return dataclasses.replace(trace, cell=Direct(trace.cell))


def path_gain(
  trace: Trace, adjoint: Float[Array, "batch state"]
) -> Float[Array, "lags batch"]:
  """ln |D'..D' a| / |a| by lag, as `loss_gain`; minus infinity where D is zero.

  Args:
    trace: the application of a cell.
    adjoint: a = dl/ds at the last valid step.

  Raises:
    StepError: for a step of somebody's own, which names no products.
  """
  return loss_gain(direct_trace(trace), adjoint)
