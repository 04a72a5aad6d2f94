"""Many to many, not aligned: one stack reads a sequence, another writes one."""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Carry, Inputs, Lengths, Params
from rnn_research.models.stacked import Stacked
from rnn_research.problem import Batch


class EncoderDecoder(nn.Module):
  """Each layer of the decoder begins with the last carry of the encoder's.

  Sutskever, Vinyals and Le 2014. The decoder reads tokens: 0 to output_size - 1
  are the classes that it writes, output_size is the start.

  Attributes:
    encoder: the layers that read; parameters `encoder/layer_0`, ...
    decoder: the layers that write; as many and of the same cell.
    output_size: classes.
  """

  encoder: Stacked
  decoder: Stacked
  output_size: int

  def setup(self):
    """Makes the decoder's two ends."""
    self.embed = nn.Embed(self.output_size + 1, self.decoder.hidden, param_dtype=float)
    self.head = nn.Dense(self.output_size, param_dtype=float)

  def __call__(
    self, batch: Batch, train: bool = False
  ) -> Float[Array, "steps batch outputs"]:
    """Logits of each step, the tokens being the true ones before it."""
    carry = self.encode(batch.inputs, batch.lengths, train)
    return self.read(batch.decoder_inputs, carry, train)[1]

  def encode(
    self, inputs: Inputs, lengths: Lengths | None, train: bool = False
  ) -> tuple[Carry, ...]:
    """The carry of each layer behind the last valid input."""
    return self.encoder(inputs, lengths=lengths, train=train).carry

  def read(
    self,
    tokens: Int[Array, "steps batch"],
    carry: tuple[Carry, ...],
    train: bool = False,
  ) -> tuple[tuple[Carry, ...], Float[Array, "steps batch outputs"]]:
    """Decodes for as many steps as there are tokens to read."""
    output = self.decoder(self.embed(tokens), initial_carry=carry, train=train)
    return output.carry, self.head(output.ys)

  def decode(
    self, params: Params, inputs: Inputs, lengths: Lengths | None, steps: int
  ) -> tuple[Int[Array, "steps batch"], Float[Array, "steps batch outputs"]]:
    """Runs free, taking the most probable class at each step.

    Called on the model itself, not through `apply`.

    Args:
      params: the collection `params`.
      inputs: what the encoder reads.
      lengths: of the inputs.
      steps: how many tokens are written; all of them, none ends a sequence.

    Returns:
      The classes written and their logits.
    """
    variables = {"params": params}

    def body(state, _):
      carry, last = state
      carry, logits = self.apply(variables, last, carry, method="read")
      written = logits.argmax(-1).astype(last.dtype)
      return (carry, written), (written[0], logits[0])

    carry = self.apply(variables, inputs, lengths, method="encode")
    start = jnp.full_like(inputs[:1, :, 0], self.output_size, dtype=jnp.int32)
    return lax.scan(body, (carry, start), length=steps)[1]
