"""The adding problem: the sum of two marked numbers."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.marked_pair import sample_marked_pair
from rnn_research.tasks.swap import shift_first_number
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Adding(Task):
  """Numbers go by, two of them marked; say their sum after the last step.

  `length` T counts all steps. An input is (number, mark): the number uniform on
  [0, 1), the mark 1 at one step of [0, T // 2) and one step of [T // 2, T),
  else 0. The target is the plain sum of the two marked numbers.

  Example, T = 4: numbers `.3 .9 .5 .2`, marks `0 1 1 0`: target 1.4.

  Source: Arjovsky, Shah and Bengio 2016 (uRNN) and Tallec and Ollivier 2018
  (chrono): one mark per half. Hochreiter and Schmidhuber 1997, experiment 4,
  draw from [-1, 1], mark an early and a middle step, and scale the target; Bai,
  Kolter and Koltun 2018 mark any two steps. The bound on the squared error,
  0.04, is that of Pascanu, Mikolov and Bengio 2013.

  Chance: always saying 1 has the variance of the sum as its squared error, 2/12
  = 1/6; it is off by more than 0.2 with probability (1 - 0.2)^2 = 0.64.
  """

  shortest: ClassVar[int] = 2

  @property
  def problem(self) -> Problem:
    """One number after the last step."""
    return Problem(
      name="adding",
      form="many_to_one",
      length=self.length,
      input_size=2,
      output_size=1,
      loss="squared_error",
      tolerance=0.04,
      chance_loss=1 / 6,
      chance_error=0.64,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (T, batch, 2) and targets (batch, 1)."""
    inputs, marked, events = sample_marked_pair(key, self.length, batch)
    return Batch(
      inputs=inputs,
      targets=marked.sum(axis=-1, keepdims=True),
      weights=jnp.ones(batch),
      events=events,
    )

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first marked number moves by 1/2 within [0, 1), and the sum with it."""
    inputs, before, after = shift_first_number(batch)
    return batch._replace(
      inputs=inputs, targets=batch.targets + (after - before)[:, None]
    )
