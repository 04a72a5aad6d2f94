"""Copy memory: ten symbols, a long wait, the same ten symbols."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.swap import replace_at
from rnn_research.tasks.task import Task

_COPIED = 10  # symbols to remember
_ALPHABET = 8  # symbols 0 to 7
_BLANK = 8
_DELIMITER = 9  # an input only: it's never a target


@dataclasses.dataclass(frozen=True)
class CopyMemory(Task):
  """Ten symbols shown at the start are said again after a wait.

  `length` T counts the wait; a sequence has T + 20 steps. Inputs, one-hot over
  ten: ten symbols from 0 to 7, T - 1 blanks (8), one delimiter (9), ten blanks.
  Targets over nine classes: T + 10 blanks, then the ten symbols, so each symbol
  is due T + 10 steps after it was seen. Every step is supervised. The events
  are the ten symbols' steps, 0 to 9.

  Example, T = 2 (22 steps):
    inputs  `3 1 4 1 5 2 6 5 3 5 8 9 8 8 8 8 8 8 8 8 8 8`
    targets `8 8 8 8 8 8 8 8 8 8 8 8 3 1 4 1 5 2 6 5 3 5`

  Source: Arjovsky, Shah and Bengio 2016 (uRNN), after experiment 2 of
  Hochreiter and Schmidhuber 1997; their program numbers the blank 0 and the
  symbols 1 to 8.

  Chance: blanks are certain and a symbol is any of eight, so the loss per step
  is 10 ln 8 / (T + 20) nats; all ten are guessed right with probability 8^-10.
  """

  @property
  def problem(self) -> Problem:
    """Nine classes at each of T + 20 steps."""
    steps = self.length + 2 * _COPIED
    return Problem(
      name="copy_memory",
      form="many_to_many",
      length=steps,
      input_size=_ALPHABET + 2,
      output_size=_ALPHABET + 1,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=_COPIED * math.log(_ALPHABET) / steps,
      chance_error=1 - _ALPHABET**-_COPIED,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (T + 20, batch, 10) and targets (T + 20, batch)."""
    symbols = jax.random.randint(key, (_COPIED, batch), 0, _ALPHABET)
    delay = jnp.full((self.length + _COPIED, batch), _BLANK, symbols.dtype)
    inputs = jnp.concatenate([symbols, delay])
    inputs = inputs.at[self.length + _COPIED - 1].set(_DELIMITER)
    events = jnp.broadcast_to(jnp.arange(_COPIED)[None], (batch, _COPIED))
    return Batch(
      inputs=jax.nn.one_hot(inputs, _ALPHABET + 2),
      targets=jnp.concatenate([delay, symbols]),
      weights=jnp.ones(inputs.shape),
      events=events,
    )

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first symbol is one of the seven others, at the start and where due."""
    before = batch.targets[-_COPIED]
    shift = jax.random.randint(key, before.shape, 1, _ALPHABET, before.dtype)
    after = (before + shift) % _ALPHABET
    symbols = jax.nn.one_hot(after, _ALPHABET + 2, dtype=batch.inputs.dtype)
    return batch._replace(
      inputs=replace_at(batch.inputs, batch.events[:, 0], symbols),
      targets=batch.targets.at[-_COPIED].set(after),
    )
