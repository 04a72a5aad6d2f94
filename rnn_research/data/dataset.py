"""A data set in memory: what a run asks of it."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnn_research.problem import Batch, Problem

if TYPE_CHECKING:
  from rnn_research.data.stream import Stream


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
  """Two splits of examples, each one time-major batch of numpy arrays.

  Attributes:
    problem: the sizes, the loss, and the chance levels on the test split.
    train: all training examples.
    test: all held-out examples.
  """

  problem: Problem
  train: Batch
  test: Batch

  @property
  def train_size(self) -> int:
    """Training examples; one epoch."""
    return self.train.inputs.shape[1]

  def stream(self, seeds: Sequence[int], batch: int) -> "Stream":
    """The endless batches of several seeds, leaves (seeds, ...)."""
    # Grain takes a second to import, and not every run reads data.
    from rnn_research.data.stream import Stream

    return Stream(self.train, self.problem.form, tuple(seeds), batch)

  def heldout(self) -> Batch:
    """The whole test split, without an axis of seeds."""
    return self.test
