"""Sequences of distractors with a few marked symbols, for the order tasks."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch

MARKED = 2  # symbols 0 and 1: those to remember
DISTRACTORS = 4  # symbols 2 to 5
SYMBOLS = MARKED + DISTRACTORS


def sample_ordered_symbols(
  key: Key, length: int, batch: int, starts: Sequence[int]
) -> Batch:
  """Draws sequences with one marked symbol in each of several windows.

  Args:
    key: random key.
    length: steps of a sequence.
    batch: sequences.
    starts: first step of each window, ascending and at least `length // 10`
      apart; a window is `length // 10` steps wide.

  Returns:
    Inputs (length, batch, 6), one-hot; targets (batch,), the marked symbols
    read as binary digits, the first one lowest; events in the order of the
    windows.
  """
  width = length // 10
  position_key, symbol_key, distractor_key = jax.random.split(key, 3)
  shape = (len(starts), batch)
  offsets = jax.random.randint(position_key, shape, 0, width)
  marked = jax.random.randint(symbol_key, shape, 0, MARKED)
  symbols = jax.random.randint(distractor_key, (length, batch), MARKED, SYMBOLS)
  steps = jnp.arange(length)[:, None]
  targets = jnp.zeros_like(marked[0])
  events = []
  for index, start in enumerate(starts):
    event = start + offsets[index]
    symbols = jnp.where(steps == event[None], marked[index][None], symbols)
    targets = targets + marked[index] * MARKED**index
    events.append(event)
  return Batch(
    inputs=jax.nn.one_hot(symbols, SYMBOLS),
    targets=targets,
    weights=jnp.ones(batch),
    events=jnp.stack(events, axis=-1),
  )
