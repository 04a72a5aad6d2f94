"""Temporal order: which of two symbols came first, and which second."""

import dataclasses
import math
from typing import ClassVar

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.ordered_symbols import SYMBOLS, sample_ordered_symbols
from rnn_research.tasks.swap import swap_first_bit
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class TemporalOrder(Task):
  """Two marked symbols in a stream of distractors; name the ordered pair.

  `length` L counts all steps. Symbols 0 and 1 are marked, 2 to 5 are
  distractors, all one-hot. One marked symbol stands at a step drawn from
  [L/10, 2L/10), one from [5L/10, 6L/10); where 10 doesn't divide L, a window
  starts at its first bound rounded down and is L // 10 steps wide. The target,
  read after the last step, is first + 2 * second.

  Example, L = 10: `3 1 5 2 2 0 4 3 5 2` has 1 at step 1 and 0 at step 5: class
  1.

  Source: Hochreiter and Schmidhuber 1997, experiment 6a, as Pascanu, Mikolov
  and Bengio 2013 ran it: their program's six symbols, windows and class
  numbers. The original has two more symbols, which open and close a sequence,
  and lengths drawn from 100 to 110.

  Chance: four equally likely classes, so ln 4 nats and 3/4 wrong.
  """

  shortest: ClassVar[int] = 10

  @property
  def problem(self) -> Problem:
    """Four classes after the last step."""
    return Problem(
      name="temporal_order",
      form="many_to_one",
      length=self.length,
      input_size=SYMBOLS,
      output_size=4,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=math.log(4),
      chance_error=3 / 4,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (L, batch, 6) and targets (batch,)."""
    starts = (self.length // 10, self.length // 2)
    return sample_ordered_symbols(key, self.length, batch, starts)

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first marked symbol is the other one: the lowest binary digit flips."""
    return batch._replace(inputs=swap_first_bit(batch), targets=batch.targets ^ 1)
