"""Where batches come from: sampled inside the program, or read from a data set."""

from typing import Any

import jax
import numpy as np

from rnn_research.config import Config
from rnn_research.data import Dataset, load
from rnn_research.problem import Batch, Problem
from rnn_research.tasks import TASKS, Task


class Source:
  """The batches of all seeds of a run.

  Attributes:
    task: set if the program samples its own batches.
    dataset: set if they are read.
    iterator: a Grain iterator over steps, leaves (seeds, ...); None for a task.
  """

  def __init__(self, config: Config):
    """Makes the task or opens the data set that the config names.

    Raises:
      ConfigError: the task can't be made with these options.
      DataNotPrepared: the data set is not on disk.
    """
    self.task: Task | None = None
    self.dataset: Dataset | None = None
    self._stream = self.iterator = None
    if config.task.name:
      self.task = TASKS[config.task.name](length=config.task.length)
      return
    self.dataset = load(config.data)
    seeds = range(config.seed, config.seed + config.seeds)
    self._stream = self.dataset.stream(seeds, config.train.batch)
    self.iterator = iter(self._stream)

  @property
  def problem(self) -> Problem:
    """What the batches ask for."""
    return (self.task or self.dataset).problem

  def held_out(self) -> Batch | None:
    """A data set's test split; None for a task, which samples afresh."""
    return None if self.dataset is None else self.dataset.heldout()

  def shapes(self, batch: int) -> Batch:
    """Shapes of one seed's batch."""
    if self.task is not None:
      return jax.eval_shape(lambda k: self.task.sample(k, batch), jax.random.key(0))
    return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), self._stream[0]
    )

  def next(self, steps: int) -> Batch | None:
    """The next batches, leaves (seeds, steps, ...); None for a task."""
    if self.iterator is None:
      return None
    batches = [next(self.iterator) for _ in range(steps)]
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *batches)

  def at(self, steps: Any) -> Batch | None:
    """The batch each seed saw at its own step of `steps`; None for a task."""
    if self._stream is None:
      return None
    picked = [
      jax.tree.map(lambda x, seed=seed: x[seed], self._stream[int(step)])
      for seed, step in enumerate(steps)
    ]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *picked)

  def close(self) -> None:
    """Stops the threads that read ahead."""
    if self.iterator is not None:
      self.iterator.close()
