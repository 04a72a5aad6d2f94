"""Noiseless 5-bit memorisation: five bits, a long wait, the same five bits."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.swap import swap_first_bit
from rnn_research.tasks.task import Task

_BITS = 5
_BLANK = 2
_CUE = 3  # an input only: it's never a target


@dataclasses.dataclass(frozen=True)
class Memorisation(Task):
  """Five bits shown at the start are said again when a cue comes.

  `length` T counts the blanks between the bits and the cue; a sequence has T +
  10 steps. Inputs, one-hot over four: five bits (0, 1), T blanks (2), one cue
  (3), four blanks. Targets over three classes: T + 5 blanks, then the five
  bits, the first of them at the step of the cue; each is due T + 5 steps after
  it was seen. Every step is supervised. The events are the five bits' steps, 0
  to 4.

  Example, T = 2 (12 steps):
    inputs  `1 0 0 1 1 2 2 3 2 2 2 2`
    targets `2 2 2 2 2 2 2 1 0 0 1 1`

  Source: Martens and Sutskever 2011 (noiseless memorisation, after Hochreiter
  and Schmidhuber 1997), in the layout of Pascanu, Mikolov and Bengio 2013,
  whose program is run here with two values and five positions. A train step may
  see all 32 sequences: fresh examples are not new ones.

  Chance: blanks are certain and a bit is a coin, so the loss per step is
  5 ln 2 / (T + 10) nats; all five are guessed right with probability 1/32.
  """

  @property
  def problem(self) -> Problem:
    """Three classes at each of T + 10 steps."""
    steps = self.length + 2 * _BITS
    return Problem(
      name="memorisation",
      form="many_to_many",
      length=steps,
      input_size=4,
      output_size=3,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=_BITS * math.log(2) / steps,
      chance_error=1 - 2**-_BITS,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (T + 10, batch, 4) and targets (T + 10, batch)."""
    bits = jax.random.randint(key, (_BITS, batch), 0, 2)
    delay = jnp.full((self.length + _BITS, batch), _BLANK, bits.dtype)
    inputs = jnp.concatenate([bits, delay])
    inputs = inputs.at[self.length + _BITS].set(_CUE)
    events = jnp.broadcast_to(jnp.arange(_BITS)[None], (batch, _BITS))
    return Batch(
      inputs=jax.nn.one_hot(inputs, 4),
      targets=jnp.concatenate([delay, bits]),
      weights=jnp.ones(inputs.shape),
      events=events,
    )

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first bit is the other one, at the start and where it is due."""
    targets = batch.targets.at[-_BITS].set(batch.targets[-_BITS] ^ 1)
    return batch._replace(inputs=swap_first_bit(batch), targets=targets)
