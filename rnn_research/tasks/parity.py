"""Parity: is the number of ones odd?"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Parity(Task):
  """A stream of bits; say after the last one whether its ones are odd.

  `length` T counts all steps. Inputs are one-hot bits. One target per sequence,
  read after the last step, not one per step: 1 if the number of ones is odd.
  Every bit counts alike, so no step is an event.

  Example, T = 5: `1 0 1 1 0` has three ones: class 1.

  Source: `parity check` of Deletang et al. 2023 (neural networks and the
  Chomsky hierarchy), at one fixed length instead of lengths drawn from 1 to 40.
  Latching does not solve it: a single forgotten bit makes the answer a coin.

  Chance: two equally likely classes, so ln 2 nats and 1/2 wrong.
  """

  @property
  def problem(self) -> Problem:
    """Two classes after the last step."""
    return Problem(
      name="parity",
      form="many_to_one",
      length=self.length,
      input_size=2,
      output_size=2,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=math.log(2),
      chance_error=1 / 2,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (T, batch, 2) and targets (batch,)."""
    bits = jax.random.randint(key, (self.length, batch), 0, 2)
    return Batch(
      inputs=jax.nn.one_hot(bits, 2),
      targets=bits.sum(axis=0) % 2,
      weights=jnp.ones(batch),
    )
