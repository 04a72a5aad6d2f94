"""When each seed had learned its task, counted while it trains."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

ERROR = 0.01  # held-out sequences wrong, below which a task is solved
IN_A_ROW = 3  # evaluations, where a run doesn't say how many
UNSOLVED = -1


class Solved(NamedTuple):
  """What the evaluations so far say of each seed.

  Attributes:
    streak: evaluations in a row, up to the last, with an error below `ERROR`.
    since: step of the first of them.
    at: `since` of the first streak that was long enough; -1 where none was. A seed
      that has solved its task stays solved.
  """

  streak: Int[np.ndarray, "seeds"]
  since: Int[np.ndarray, "seeds"]
  at: Int[np.ndarray, "seeds"]


def nothing_solved(seeds: int) -> Solved:
  """Before the first evaluation."""
  return Solved(
    np.zeros(seeds, int), np.zeros(seeds, int), np.full(seeds, UNSOLVED, int)
  )


def judge(
  before: Solved, step: int, error: Float[np.ndarray, "seeds"], in_a_row: int
) -> Solved:
  """Adds one evaluation; NaN, the error of a seed that diverged, is not below."""
  below = error < ERROR
  streak = np.where(below, before.streak + 1, 0)
  since = np.where(streak == 1, step, before.since)
  first = (before.at == UNSOLVED) & (streak >= in_a_row)
  return Solved(streak, since, np.where(first, since, before.at))
