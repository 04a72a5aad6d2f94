"""Sequences of numbers with two of them marked: adding and multiplication."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Key


def sample_marked_pair(
  key: Key, length: int, batch: int
) -> tuple[
  Float[Array, "time batch 2"], Float[Array, "batch 2"], Int[Array, "batch 2"]
]:
  """Draws uniform numbers, one marked in each half.

  The first half is the steps [0, length // 2), the second the rest.

  Returns:
    Inputs (number, mark), the two marked numbers, and their steps.
  """
  half = length // 2
  number_key, first_key, second_key = jax.random.split(key, 3)
  numbers = jax.random.uniform(number_key, (length, batch))
  first = jax.random.randint(first_key, (batch,), 0, half)
  second = jax.random.randint(second_key, (batch,), half, length)
  events = jnp.stack([first, second], axis=-1)
  marks = jax.nn.one_hot(events, length, axis=0, dtype=numbers.dtype)
  inputs = jnp.stack([numbers, marks.sum(axis=-1)], axis=-1)
  marked = jnp.take_along_axis(numbers, events.T, axis=0).T
  return inputs, marked, events
