"""The multiplication problem: the product of two marked numbers."""

import dataclasses
import math
from typing import ClassVar

import jax.numpy as jnp

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.marked_pair import sample_marked_pair
from rnn_research.tasks.swap import shift_first_number, symbols_at
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Multiplication(Task):
  """Numbers go by, two of them marked; say their product after the last step.

  `length` T counts all steps. Inputs are those of the adding problem: (number,
  mark), the number uniform on [0, 1), one mark in each half.

  Example, T = 4: numbers `.3 .9 .5 .2`, marks `0 1 1 0`: target 0.45.

  Source: Hochreiter and Schmidhuber 1997, experiment 5, and Pascanu, Mikolov
  and Bengio 2013, whose bound on the squared error, 0.04, is used. Both mark
  earlier steps (Pascanu's program: one of the first tenth, one of the next four
  tenths) and draw the length too; here the marks stand as in `adding`, so that
  the two tasks differ in the target alone.

  Chance: always saying the mean, 1/4, has the variance of the product as its
  squared error, 1/9 - 1/16 = 7/144. With P(xy < z) = z (1 - ln z) it is off by
  more than 0.2 with probability 0.05 (1 - ln 0.05) + 1 - 0.45 (1 - ln 0.45) =
  0.390.
  """

  shortest: ClassVar[int] = 2

  @property
  def problem(self) -> Problem:
    """One number after the last step."""
    below, above = 0.05, 0.45
    return Problem(
      name="multiplication",
      form="many_to_one",
      length=self.length,
      input_size=2,
      output_size=1,
      loss="squared_error",
      tolerance=0.04,
      chance_loss=7 / 144,
      chance_error=below * (1 - math.log(below)) + 1 - above * (1 - math.log(above)),
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (T, batch, 2) and targets (batch, 1)."""
    inputs, marked, events = sample_marked_pair(key, self.length, batch)
    return Batch(
      inputs=inputs,
      targets=marked.prod(axis=-1, keepdims=True),
      weights=jnp.ones(batch),
      events=events,
    )

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first marked number moves by 1/2 within [0, 1), and the product with it.

    By half of the other number: both answers can lie within the tolerance.
    """
    inputs, _, after = shift_first_number(batch)
    other = symbols_at(batch.inputs, batch.events[:, 1])[:, 0]
    return batch._replace(inputs=inputs, targets=(after * other)[:, None])
