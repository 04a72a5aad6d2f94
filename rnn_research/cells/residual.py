"""A skip connection around a cell."""

import dataclasses

from rnn_research.cells.initial import OURS
from rnn_research.cells.wrapper import Wrapper
from rnn_research.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Residual(Wrapper):
  """Adds a cell's input to its output, y_t = inner_t + x_t.

  A skip connection in depth (He et al. 2016; for recurrent stacks Wu et al. 2016):
  the recurrence is the inner cell's, unchanged. Input and output sizes must agree.
  """

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

  def output(self, carry, x):
    """The inner output plus x."""
    return self.inner.output(carry, x) + x
