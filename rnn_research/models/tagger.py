"""Many to many, aligned: one vector of outputs for every input step."""

import flax.linen as nn
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.models.stacked import Stacked
from rnn_research.problem import Batch


class Tagger(nn.Module):
  """A stack, and a linear map of the outputs of every step.

  Attributes:
    stacked: the layers; their parameters stand beside those of `head`.
    output_size: classes, or predicted numbers.
  """

  stacked: Stacked
  output_size: int

  def setup(self):
    """Places the layers' parameters at the top, and makes the head."""
    nn.share_scope(self, self.stacked)
    self.head = nn.Dense(self.output_size, param_dtype=float)

  def __call__(
    self, batch: Batch, train: bool = False
  ) -> Float[Array, "time batch outputs"]:
    """Outputs of each step; `train` switches dropout and noise on."""
    output = self.stacked(
      batch.inputs,
      lengths=batch.lengths,
      resets=batch.resets,
      train=train,
    )
    return self.head(output.ys)
