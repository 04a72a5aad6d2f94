"""Reversal: an encoder reads symbols, a decoder says them last to first."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.task import Task

_SYMBOLS = 8
_START = _SYMBOLS  # the decoder's first token; it's never a target


@dataclasses.dataclass(frozen=True)
class Reversal(Task):
  """Symbols are read, then said in reverse order by a decoder.

  `length` L counts the symbols of a source, and as many are said. Inputs are
  one-hot over 8 symbols, uniform. Targets over the same 8 classes are the
  source read backwards, every one of them supervised. `decoder_inputs` are
  tokens 0 to 8: the start token 8, then the targets up to the last but one, so
  a decoder embeds `output_size + 1` tokens; L is known, so no token ends a
  sequence. Every symbol counts alike, so no step is an event.

  Example, L = 4:
    inputs `3 1 4 6`, decoder inputs `8 6 4 1`, targets `6 4 1 3`

  Source: the reversal of Grefenstette et al. 2015 and `reverse string` of
  Deletang et al. 2023, with 8 symbols and one fixed length.

  Chance: the source and what has been said leave a symbol any of eight unless
  it was remembered: ln 8 nats a step; all L are guessed right with probability
  8^-L.
  """

  @property
  def problem(self) -> Problem:
    """Eight classes at each of L decoder steps."""
    return Problem(
      name="reversal",
      form="encoder_decoder",
      length=self.length,
      input_size=_SYMBOLS,
      output_size=_SYMBOLS,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=math.log(_SYMBOLS),
      chance_error=1 - (1 / _SYMBOLS) ** self.length,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (L, batch, 8), targets and decoder inputs (L, batch)."""
    source = jax.random.randint(key, (self.length, batch), 0, _SYMBOLS)
    targets = source[::-1]
    start = jnp.full_like(source[:1], _START)
    return Batch(
      inputs=jax.nn.one_hot(source, _SYMBOLS),
      targets=targets,
      weights=jnp.ones(targets.shape),
      decoder_inputs=jnp.concatenate([start, targets[:-1]]),
    )
