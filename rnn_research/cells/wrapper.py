"""A cell around a cell."""

import dataclasses

from rnn_research.cells.cell import Cell
from rnn_research.cells.initial import OURS


@dataclasses.dataclass(frozen=True)
class Wrapper(Cell):
  """The inner cell; a wrapper says only what it does otherwise."""

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
    """Draws the inner cell's parameters."""
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
    """The inner cell's."""
    return self.inner.output(carry, x)

  def output_size(self, hidden_size):
    """The inner cell's."""
    return self.inner.output_size(hidden_size)
