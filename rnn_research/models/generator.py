"""One to many: a context becomes a sequence."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Real

from rnn_research.array_types import Array, Carry, Inputs, Key, Lengths, Params
from rnn_research.models.initial_carry import InitialCarry
from rnn_research.models.stacked import Stacked
from rnn_research.problem import Batch, LossName


class Generator(nn.Module):
  """A stack that begins with a carry made from the context and reads itself.

  The context acts through the initial carry alone (as in Xu et al. 2015, 3.1.2),
  so whatever of it a late output needs has to be kept. The input of a step is
  the output wanted at the step before, a class as one-hot, and zeros at first.

  Attributes:
    stacked: the layers; their parameters stand beside those of `head` and, for
      the initial carry, `condition`.
    output_size: classes, or predicted numbers; the inputs have the same size.
    loss: tells what an output is: `cross_entropy` the logits of a class,
      `squared_error` the value itself.
  """

  stacked: Stacked
  output_size: int
  loss: LossName

  def setup(self):
    """Places the layers' parameters at the top, and makes both ends."""
    nn.share_scope(self, self.stacked)
    self.condition = InitialCarry(
      self.stacked.cell, self.stacked.hidden, self.stacked.layers
    )
    self.head = nn.Dense(self.output_size, param_dtype=float)

  def __call__(
    self, batch: Batch, train: bool = False
  ) -> Float[Array, "time batch outputs"]:
    """Outputs of each step, the inputs being the true outputs before it."""
    carry = self.begin(batch.context)
    return self.read(batch.inputs, carry, batch.lengths, train)[1]

  def begin(self, context: Real[Array, "batch context"]) -> tuple[Carry, ...]:
    """The carry of each layer before the first step."""
    return self.condition(context)

  def read(
    self,
    inputs: Inputs,
    carry: tuple[Carry, ...],
    lengths: Lengths | None = None,
    train: bool = False,
  ) -> tuple[tuple[Carry, ...], Float[Array, "time batch outputs"]]:
    """Goes on for as many steps as there are inputs."""
    output = self.stacked(inputs, lengths=lengths, initial_carry=carry, train=train)
    return output.carry, self.head(output.ys)

  def generate(
    self,
    params: Params,
    context: Real[Array, "batch context"],
    steps: int,
    key: Key | None = None,
  ) -> tuple[Float[Array, "time batch outputs"], Float[Array, "time batch outputs"]]:
    """Runs free; called on the model itself, not through `apply`.

    Args:
      params: the collection `params`.
      context: as in `Batch`.
      steps: how many outputs.
      key: draws each class from its predicted distribution; None takes the most
        probable.

    Returns:
      The sequence written (values, or classes as one-hot) and the outputs.

    Raises:
      ValueError: if a key is given for a `squared_error`, which predicts no
        distribution.
    """
    if key is not None and self.loss == "squared_error":
      raise ValueError(
        "squared_error predicts no distribution to draw from; leave out the key"
      )
    variables = {"params": params}

    def body(state, key):
      carry, last = state
      carry, outputs = self.apply(variables, last, carry, method="read")
      written = self._write(outputs, key)
      return (carry, written), (written[0], outputs[0])

    carry = self.apply(variables, context, method="begin")
    shape = (1, len(context), self.output_size)
    first = jnp.zeros_like(context, float, shape=shape)  # a context may be integers
    keys = None if key is None else jax.random.split(key, steps)
    return lax.scan(body, (carry, first), keys, length=steps)[1]

  def _write(self, outputs, key):
    if self.loss == "squared_error":
      return outputs
    if key is None:
      classes = outputs.argmax(-1)
    else:
      classes = jax.random.categorical(key, outputs)
    return jax.nn.one_hot(classes, self.output_size, dtype=outputs.dtype)
