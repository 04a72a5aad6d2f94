"""Delayed XOR: at every step, of two bits seen one and two delays ago."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.swap import replace_at, symbols_at
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class DelayedXor(Task):
  """A stream of bits; say at each step t the XOR of those at t - d and t - 2d.

  `length` d counts the delay; a sequence has 4 d steps. The input is one
  number, 0 or 1. The target at step t is x[t - d] XOR x[t - 2d], supervised
  from step 2d on; the 2d steps before have target 0 and weight 0. The events
  are the two bits that the last target needs, 2d and d steps before the end.

  Example, d = 2:
    inputs  `1 0 0 1 1 1 0 0`
    targets `- - - - 1 1 1 0`

  Source: Engelken 2023 (gradient flossing), the task numbered -1 of its
  program, with d = 10 and 300 steps. There the loss starts one step earlier, at
  a target that needs a bit before the first input, and one sigmoid output is
  trained; here two classes, the same loss.

  Chance: a fair coin, ln 2 nats a step; all 2d steps are guessed right with
  probability 2^-2d.
  """

  @property
  def problem(self) -> Problem:
    """Two classes at each of the last 2d of 4d steps."""
    return Problem(
      name="delayed_xor",
      form="many_to_many",
      length=4 * self.length,
      input_size=1,
      output_size=2,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=math.log(2),
      chance_error=1 - 0.5 ** (2 * self.length),
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (4d, batch, 1) and targets (4d, batch)."""
    delay, steps = self.length, 4 * self.length
    bits = jax.random.randint(key, (steps, batch), 0, 2)
    known = bits[delay:-delay] ^ bits[: -2 * delay]
    unknown = jnp.zeros_like(bits[: 2 * delay])
    inputs = bits[..., None].astype(jnp.result_type(float))
    supervised = jnp.arange(steps)[:, None] >= 2 * delay
    events = jnp.array([steps - 1 - 2 * delay, steps - 1 - delay])
    return Batch(
      inputs=inputs,
      targets=jnp.concatenate([unknown, known]),
      weights=jnp.broadcast_to(supervised, bits.shape).astype(inputs.dtype),
      events=jnp.broadcast_to(events[None], (batch, 2)),
    )

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first event's bit flips, and so do the two targets that read it."""
    steps = batch.events[:, 0]
    flipped = 1 - symbols_at(batch.inputs, steps)
    due = jnp.array([3 * self.length - 1, 4 * self.length - 1])
    return batch._replace(
      inputs=replace_at(batch.inputs, steps, flipped),
      targets=batch.targets.at[due].set(batch.targets[due] ^ 1),
    )
