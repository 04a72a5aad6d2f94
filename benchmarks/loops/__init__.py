"""One module a library: how each trains a classifier, as its documentation shows.

Each has `PACKAGES`, the distributions whose versions belong to its numbers, and
`make(entry, devices)`, which returns a `Loop` ready to train. All train the same
network on the same distribution with the same optimizer: one recurrent layer, a linear
map of its last state, the mean cross-entropy, the gradient clipped to norm 1, Adam, a
fresh batch every step, float32. A module imports its library at the top: one library a
process.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Train = Callable[[int], None]


def nothing() -> None:
  """Closes a loop that holds nothing but memory."""


def no_wait() -> float:
  """Seconds that a loop has waited which draws its batches itself."""
  return 0.0


class Loop(NamedTuple):
  """A training that goes on for as many steps as it is asked to.

  Attributes:
    ways: to go on; each takes a number of steps (a multiple of those between two
      logged losses), makes them, and waits until the last is done. They share the
      parameters, and the fastest will be measured.
    losses: all logged so far, the newest last.
    waited: seconds spent so far in waiting for batches.
    close: ends the training.
  """

  ways: Sequence[Train]
  losses: Callable[[], Sequence[float]]
  waited: Callable[[], float] = no_wait
  close: Callable[[], None] = nothing
