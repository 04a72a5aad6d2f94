"""Many to one: a whole sequence becomes one vector of outputs."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Lengths
from rnn_research.models.recurrent import LayerOutput
from rnn_research.models.stacked import Stacked
from rnn_research.problem import Batch


class Classifier(nn.Module):
  """A stack, a pooling over time and a linear map.

  Attributes:
    stacked: the layers; their parameters stand beside those of `head`.
    output_size: classes, or predicted numbers.
    pooling: a name in `POOLINGS`.
  """

  stacked: Stacked
  output_size: int
  pooling: str = "last"

  def setup(self):
    """Places the layers' parameters at the top, and makes the head."""
    nn.share_scope(self, self.stacked)
    self.head = nn.Dense(self.output_size, param_dtype=float)

  def __call__(
    self, batch: Batch, train: bool = False
  ) -> Float[Array, "batch outputs"]:
    """Outputs of each example; `train` switches dropout and noise on."""
    output = self.stacked(
      batch.inputs,
      lengths=batch.lengths,
      resets=batch.resets,
      train=train,
    )
    return self.head(POOLINGS[self.pooling](output, batch.lengths))


def _last(output: LayerOutput, lengths: Lengths | None):
  """The output that has read everything, from each direction."""
  return output.summary


def _mean(output: LayerOutput, lengths: Lengths | None):
  """The mean over valid steps; zero where there are none."""
  total = output.ys.sum(0)
  if lengths is None:
    return total / output.ys.shape[0]
  return total / jnp.maximum(lengths, 1)[:, None].astype(total.dtype)


def _max(output: LayerOutput, lengths: Lengths | None):
  """The maximum over valid steps; zero where there are none."""
  ys = output.ys
  if lengths is None:
    return ys.max(0)
  steps = jnp.arange(ys.shape[0])[:, None, None]
  valid = steps < lengths[None, :, None]
  largest = jnp.where(valid, ys, -jnp.inf).max(0)
  return jnp.where(lengths[:, None] > 0, largest, 0)


POOLINGS = {"last": _last, "mean": _mean, "max": _max}
