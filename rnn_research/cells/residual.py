"""A skip connection around a cell."""

import dataclasses

from rnn_research.cells.cell import Cell
from rnn_research.cells.initial import OURS
from rnn_research.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Residual(Cell):
  """Adds a cell's input to its output, y_t = inner_t + x_t.

  A skip connection in depth (He et al. 2016; for recurrent stacks Wu et al. 2016):
  the recurrence is the inner cell's, unchanged. Input and output sizes must agree.
  """

  inner: Cell

  @property
  def products(self):
    """The inner cell's."""
    return self.inner.products

  @property
  def joined(self):
    """The inner cell's."""
    return self.inner.joined

  @property
  def gate_order(self):
    """The inner cell's."""
    return self.inner.gate_order

  @property
  def probes(self):
    """The inner cell's."""
    return self.inner.probes

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws the inner cell's parameters.

    Raises:
      ConfigError: if input and output differ in size.
    """
    size = self.inner.output_size(hidden_size)
    if input_size != size:
      raise ConfigError(
        "model.wrappers",
        f"residual adds an input of size {input_size} to an output of size {size}",
        f"set model.hidden={input_size} or leave residual out",
      )
    return self.inner.init(key, input_size, hidden_size, initial)

  @property
  def input_operation(self):
    """The inner cell's."""
    return self.inner.input_operation

  def initial_carry(self, params, projection):
    """The inner cell's."""
    return self.inner.initial_carry(params, projection)

  def noise(self, key, time, projection):
    """The inner cell's."""
    return self.inner.noise(key, time, projection)

  def step(self, tape, params, carry, projection, noise, context):
    """The inner cell's."""
    return self.inner.step(tape, params, carry, projection, noise, context)

  def output(self, carry, x):
    """The inner output plus x."""
    return self.inner.output(carry, x) + x

  def output_size(self, hidden_size):
    """The inner cell's."""
    return self.inner.output_size(hidden_size)
