"""What a swap of one input does, for the tasks that have events."""

import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array
from rnn_research.problem import Batch


def symbols_at(
  inputs: Float[Array, "time batch features"], steps: Int[Array, "batch"]
) -> Float[Array, "batch features"]:
  """The input of each example at a step of its own."""
  return jnp.take_along_axis(inputs, steps[None, :, None], axis=0)[0]


def replace_at(
  inputs: Float[Array, "time batch features"],
  steps: Int[Array, "batch"],
  symbols: Float[Array, "batch features"],
) -> Float[Array, "time batch features"]:
  """The inputs with another one at a step of each example's own."""
  here = jnp.arange(inputs.shape[0])[:, None, None] == steps[None, :, None]
  return jnp.where(here, symbols[None], inputs)


def swap_first_bit(batch: Batch) -> Float[Array, "time batch features"]:
  """Symbols 0 and 1 of a one-hot input trade places at the first event."""
  steps = batch.events[:, 0]
  symbols = symbols_at(batch.inputs, steps)
  swapped = symbols.at[:, :2].set(symbols[:, 1::-1])
  return replace_at(batch.inputs, steps, swapped)


def shift_first_number(
  batch: Batch,
) -> tuple[
  Float[Array, "time batch features"], Float[Array, "batch"], Float[Array, "batch"]
]:
  """Moves the first event's number by 1/2 within [0, 1), up or down.

  So it stays uniform, and the distance is the same for all examples.

  Returns:
    The inputs, and the number before and after.
  """
  steps = batch.events[:, 0]
  symbols = symbols_at(batch.inputs, steps)
  before = symbols[:, 0]
  after = jnp.where(before < 0.5, before + 0.5, before - 0.5)
  moved = symbols.at[:, 0].set(after)
  return replace_at(batch.inputs, steps, moved), before, after
