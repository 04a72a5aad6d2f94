"""What every synthetic task is: a length, a problem and a sampler."""

import abc
import dataclasses
from typing import ClassVar

from rnn_research.array_types import Key
from rnn_research.errors import ConfigError
from rnn_research.problem import Batch, Problem


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
  """A problem with an endless supply of fresh examples.

  A sequence counts as wrong if any position with weight 1 is wrong: the wrong
  class, or a squared error above `problem.tolerance`.

  Attributes:
    length: the task's own T; each task says what it counts.
    shortest: the smallest `length` that the task can be made with.

  Raises:
    ConfigError: `length` is below `shortest` (field `task.length`).
  """

  length: int
  shortest: ClassVar[int] = 1

  def __post_init__(self):
    """Refuses a length that leaves no room for the task."""
    if self.length < self.shortest:
      raise ConfigError(
        "task.length",
        f"{self.length} is too short for {self.problem.name}",
        f"use at least {self.shortest}",
      )

  @property
  @abc.abstractmethod
  def problem(self) -> Problem:
    """The sizes, the loss and the chance levels."""

  @abc.abstractmethod
  def sample(self, key: Key, batch: int) -> Batch:
    """Draws independent examples; a pure function, `batch` is static."""

  def swapped(self, batch: Batch, key: Key) -> Batch | None:
    """The same examples, but for another symbol at the first event.

    Nothing else of the inputs changes, and the targets are those that are then right:
    an answer that follows has been remembered.

    Args:
      batch: drawn by `sample`.
      key: of the new symbol, where there is a choice.

    Returns:
      None if no step is an event.
    """
    return None
