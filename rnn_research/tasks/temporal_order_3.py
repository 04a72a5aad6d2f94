"""Temporal order of three symbols."""

import dataclasses
import math
from typing import ClassVar

from rnn_research.array_types import Key
from rnn_research.problem import Batch, Problem
from rnn_research.tasks.ordered_symbols import SYMBOLS, sample_ordered_symbols
from rnn_research.tasks.swap import swap_first_bit
from rnn_research.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class TemporalOrder3(Task):
  """Three marked symbols in a stream of distractors; name the ordered triple.

  `length` L counts all steps. Symbols 0 and 1 are marked, 2 to 5 are
  distractors, all one-hot. The marked symbols stand at steps drawn from
  [10L/100, 20L/100), [33L/100, 43L/100) and [66L/100, 76L/100): each window
  starts at its first bound rounded down and is L // 10 steps wide. The target,
  read after the last step, is first + 2 * second + 4 * third.

  Example, L = 10: `3 1 5 0 2 4 1 3 5 2` has 1, 0, 1 at steps 1, 3, 6: class 5.

  Source: Hochreiter and Schmidhuber 1997, experiment 6b (steps 10-20, 33-43 and
  66-76 of 100 to 110), scaled to L. As in the two-symbol task there is no
  symbol that opens or closes a sequence. The program of Pascanu, Mikolov and
  Bengio 2013 puts the last two windows at 30L/100 and 60L/100 instead.

  Chance: eight equally likely classes, so ln 8 nats and 7/8 wrong.
  """

  shortest: ClassVar[int] = 10

  @property
  def problem(self) -> Problem:
    """Eight classes after the last step."""
    return Problem(
      name="temporal_order_3",
      form="many_to_one",
      length=self.length,
      input_size=SYMBOLS,
      output_size=8,
      loss="cross_entropy",
      tolerance=0.0,
      chance_loss=math.log(8),
      chance_error=7 / 8,
    )

  def sample(self, key: Key, batch: int) -> Batch:
    """Draws inputs (L, batch, 6) and targets (batch,)."""
    starts = [percent * self.length // 100 for percent in (10, 33, 66)]
    return sample_ordered_symbols(key, self.length, batch, starts)

  def swapped(self, batch: Batch, key: Key) -> Batch:
    """The first marked symbol is the other one: the lowest binary digit flips."""
    return batch._replace(inputs=swap_first_bit(batch), targets=batch.targets ^ 1)
