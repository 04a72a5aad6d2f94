"""One library's training loop in a process of its own, measured when it is asked to.

Commands and answers are those of benchmarks/worker.py; one call is a chunk of `CHUNK`
train steps, and a `prepare` is of [task, cell, seeds]. Besides:

  {"waited": null} -> {"waited": share of the measured time that went into waiting for
    batches of a data set}

Before every measurement `LEAD` steps are made that don't count: they use up what was
read ahead while others were measured.
"""

import contextlib
import functools
import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import serving, worker
from benchmarks.loops import Loop
from benchmarks.loops.entries import CHUNK, Entry
from rnn_research import command

LEAD = 50
CHECKED_CHUNKS = 3
# Of the loss after a few chunks. Digits are learned from the first step on, temporal
# order may take a thousand to begin.
HIGHEST_LOSS = {"temporal_order": 1.1 * math.log(4), "digits": 0.9 * math.log(10)}


class Paced:
  """Measures a loop chunk by chunk.

  Args:
    loop: has been checked.
  """

  def __init__(self, loop: Loop):
    self._loop, self._ways = loop, list(loop.ways)
    self._seconds = self._waited = 0.0

  def ask(self, command: dict[str, Any]) -> dict[str, Any]:
    """Answers `choose`, `measure` and `waited`."""
    ((name, argument),) = command.items()
    if name == "choose":
      times = [serving.choose_time(_chunk(way), argument) for way in self._ways]
      self._ways = [self._ways[int(np.argmin(times))]]
      return {"seconds": min(times)}
    if name == "waited":
      return {"waited": self._waited / self._seconds if self._seconds else 0.0}
    self._ways[0](LEAD)
    before = self._loop.waited()
    seconds = serving.repeat(_chunk(self._ways[0]), argument)
    self._waited += self._loop.waited() - before
    self._seconds += sum(seconds)
    return {"seconds": seconds}

  def close(self) -> None:
    """Ends the training."""
    self._loop.close()


def check(losses: Sequence[float], task: str) -> None:
  """Whether a loop trains what it should.

  Raises:
    ArithmeticError: a loss is not finite, or the last ones are too high.
  """
  if not losses or not np.isfinite(losses).all():
    raise ArithmeticError(f"losses {list(losses)} are not finite")
  last = statistics.mean(losses[-4:])
  if last > HIGHEST_LOSS[task]:
    raise ArithmeticError(f"the loss after a few chunks is {last:.3f}")


def prepare(library: Any, devices: int, entry: Entry) -> Paced:
  """Trains each way for a few chunks, and checks that it does."""
  loop = library.make(entry, devices)
  try:
    for way in loop.ways:
      for _ in range(CHECKED_CHUNKS):
        way(CHUNK)
    check(loop.losses(), entry.task)
  except BaseException:
    loop.close()
    raise
  return Paced(loop)


def _chunk(way):
  return functools.partial(way, CHUNK)


def main(_) -> int:
  """Serves one library; a training ends before the next begins."""
  with contextlib.ExitStack() as last:

    def replace(library, devices, entry):
      last.close()
      paced = prepare(library, devices, Entry(*entry))
      last.callback(paced.close)
      return paced

    return worker.work("benchmarks.loops", replace)


if __name__ == "__main__":
  command.run(main)
