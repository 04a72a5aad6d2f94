"""Did a run solve its task: at the end, ever, and from which step on."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rnn_research.report.records import Run, Series
from rnn_research.report.statistics import median, wilson_interval

CONSECUTIVE = 3


class Outcome(NamedTuple):
  """What became of the seeds of one run.

  Attributes:
    finished: does the run have held-out scores at its last step?
    solved: error below the threshold at the last step; all False before it.
    ever: below it at the last step or at any evaluation on the way.
    steps: first of three consecutive evaluations below it; NaN = censored.
  """

  finished: bool
  solved: Bool[np.ndarray, "seeds"]
  ever: Bool[np.ndarray, "seeds"]
  steps: Float[np.ndarray, "seeds"]

  @property
  def count(self) -> int:
    """Seeds that can be counted: none before the end of the run."""
    return len(self.solved) if self.finished else 0

  @property
  def wins(self) -> int:
    """Seeds that solved the task at the last step."""
    return int(self.solved.sum())

  @property
  def lost(self) -> int:
    """Seeds that had solved it and had not at the last step."""
    return int((self.ever & ~self.solved).sum()) if self.finished else 0

  @property
  def wilson(self) -> tuple[float, float]:
    """95% interval of the rate of solving."""
    return wilson_interval(self.wins, self.count)

  @property
  def median_steps(self) -> float:
    """Median step of solving with unsolved seeds at infinity."""
    if not len(self.steps):
      return math.nan
    return float(median(np.nan_to_num(self.steps, nan=np.inf), axis=0))


def steps_to_solve(evaluations: Series, threshold: float) -> Float[np.ndarray, "seeds"]:
  """First of three consecutive evaluations below a threshold, per seed."""
  steps = np.full(evaluations.values.shape[1], np.nan)
  below = evaluations.values < threshold
  if len(below) < CONSECUTIVE:
    return steps
  windows = np.lib.stride_tricks.sliding_window_view(below, CONSECUTIVE, 0)
  streaks = windows.all(-1)
  for seed in np.flatnonzero(streaks.any(0)):
    steps[seed] = evaluations.steps[np.argmax(streaks[:, seed])]
  return steps


def outcome(run: Run, threshold: float) -> Outcome:
  """Count the seeds of a run; a diverged seed has not solved anything."""
  evaluations = run.get("eval/error")
  seeds = run.seeds
  values = np.full((len(evaluations.steps), seeds), np.nan)
  width = min(seeds, evaluations.values.shape[1])
  values[:, :width] = evaluations.values[:, :width]
  final = run.final.get("error")
  finished = final is not None and len(final) == seeds
  solved = final < threshold if finished else np.zeros(seeds, bool)
  return Outcome(
    finished=finished,
    solved=solved,
    ever=(values < threshold).any(0) | solved,
    steps=steps_to_solve(Series(evaluations.steps, values), threshold),
  )


def last_error(run: Run) -> Float[np.ndarray, "seeds"]:
  """Held-out error at the end, else at the last evaluation; NaN before both."""
  final = run.final.get("error")
  if final is not None:
    return final
  values = run.get("eval/error").values
  return values[-1] if len(values) else np.full(run.seeds, np.nan)
