"""Endless, seeded, reshuffled batches; every batch a function of its step."""

import functools
import sys
from typing import Any

import grain
import numpy as np
from jaxtyping import Int

from rnn_research.data.gather import gather
from rnn_research.problem import Batch, Form

# Steps made ahead by the iterator's threads; two are enough for a gather.
_READ = grain.ReadOptions(num_threads=2, prefetch_buffer_size=32)


class Stream(grain.MapDataset[Batch]):
  """The training batches of several seeds, stacked: leaves (seeds, ...).

  `stream[step]` is a pure function of the step. Each seed walks through one
  permutation of all examples after another, and the order of a seed depends on
  nothing but that seed, the epoch and the number of examples. Batches follow
  each other without a gap: one that reaches the end of an epoch goes on with
  the next, so every epoch shows every example once.

  `iter(stream)` reads ahead in threads; its `get_state` and `set_state` are
  what `grain.checkpoint` saves and restores, and hold the next step alone.

  Args:
    split: all examples, time-major, numpy arrays.
    form: the problem's form, which says whether targets have a time axis.
    seeds: one order per seed.
    batch: examples of a step, for each seed.
  """

  def __init__(self, split: Batch, form: Form, seeds: tuple[int, ...], batch: int):
    """Keeps references; nothing is read or shuffled yet."""
    super().__init__()
    self._split, self._form, self._seeds = split, form, seeds
    self._batch, self._size = batch, split.inputs.shape[1]

  def __len__(self) -> int:
    """Grain's way of saying that there is no last step."""
    return sys.maxsize

  def __getitem__(self, index: int | slice) -> Any:
    """The batches of one step; a slice is a shorter dataset, as in Grain."""
    if isinstance(index, slice):
      return self.slice(index)
    return gather(self._split, self._form, self.rows(index))

  def __iter__(self) -> grain.DatasetIterator[Batch]:
    """An iterator from step 0 on that reads ahead; close it when done."""
    return iter(self.to_iter_dataset(_READ))

  def rows(self, step: int) -> Int[np.ndarray, "seeds batch"]:
    """Which examples each seed sees at a step."""
    start = int(step) * self._batch
    positions = np.arange(start, start + self._batch)
    epochs, places = np.divmod(positions, self._size)
    rows = np.empty((len(self._seeds), self._batch), np.int64)
    for epoch in np.unique(epochs):
      here = epochs == epoch
      orders = _orders(self._seeds, int(epoch), self._size)
      rows[:, here] = orders[:, places[here]]
    return rows


@functools.lru_cache(maxsize=8)
def _orders(
  seeds: tuple[int, ...], epoch: int, size: int
) -> Int[np.ndarray, "seeds examples"]:
  """One permutation of the examples per seed, for one epoch."""
  # Seeds may be negative, words of entropy may not.
  generators = [np.random.default_rng([s % 2**64, epoch]) for s in seeds]
  return np.stack([generator.permutation(size) for generator in generators])
