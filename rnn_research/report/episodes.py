"""Instability episodes: when the gradient leaps, and whether the loss returns.

An episode is a stretch of steps whose gradient norm before clipping is above
`factor` times its running median over the last `window` steps; stretches no
more than `merge` steps apart are one. It is recovered if, within `recovery`
steps after its last step, the loss is back at or below its own running median
of the step before the episode began, or at or below a floor: the loss of a solved
task has no scale of its own, and 0.002 nats after 0.0005 is no fault. Back later
than that is late. Never back in the rest of the run is unrecovered, and so is a
value that isn't finite, which ends the series: these two are the alarm.
"""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rnn_research.report.records import Run


class Episode(NamedTuple):
  """One instability episode of one seed.

  Attributes:
    start: its first step.
    end: its last step.
    largest: the largest gradient norm in it; NaN if it is non-finite from the
      first step.
    fate: "recovered", "late", "unrecovered", or "cut" if the run ended before the
      loss had its time to be back.
  """

  start: int
  end: int
  largest: float
  fate: Literal["recovered", "late", "unrecovered", "cut"]


class Count(NamedTuple):
  """Episodes of all seeds of a run.

  Attributes:
    total: all of them.
    recovered: with the loss back in time.
    late: with the loss back, but later.
    unrecovered: with the loss never back.
    cut: the run ended before the loss could be back.
    seeds: seeds with at least one unrecovered episode.
  """

  total: int
  recovered: int
  late: int
  unrecovered: int
  cut: int
  seeds: int


def running_median(
  values: Float[np.ndarray, "steps"], window: int
) -> Float[np.ndarray, "steps"]:
  """Median of the last `window` values, the present one included."""
  if not len(values):
    return values
  padded = np.concatenate([np.full(window - 1, np.nan), values])
  windows = np.lib.stride_tricks.sliding_window_view(padded, window)
  early = [np.median(values[: i + 1]) for i in range(min(window, len(values)))]
  full = np.median(windows[len(early) :], axis=1)
  return np.concatenate([np.array(early), full])


def find_episodes(
  steps: Int[np.ndarray, "steps"],
  norms: Float[np.ndarray, "steps"],
  losses: Float[np.ndarray, "steps"],
  thresholds: dict[str, float],
  floor: float = 0.0,
) -> list[Episode]:
  """The episodes of one seed, in the order of their steps.

  Args:
    steps: counted from the start of training.
    norms: of the gradient before clipping.
    losses: of the same steps.
    thresholds: of the study.
    floor: a loss at or below it is back, whatever it was before.
  """
  finite = np.isfinite(norms) & np.isfinite(losses)
  diverged = not finite.all()
  # at the first non-finite step the seed is frozen: nothing after it counts
  end = int(np.argmin(finite)) if diverged else len(steps)
  if end == 0 and not diverged:
    return []
  window = int(thresholds["episode_window"])
  levels = running_median(norms[:end], window)
  usual = running_median(losses[:end], window)
  leaps = list(np.flatnonzero(norms[:end] > thresholds["episode_factor"] * levels))
  if diverged:
    leaps.append(end)
  stretches: list[list[int]] = []
  for leap in leaps:
    near = stretches and leap - stretches[-1][1] <= thresholds["episode_merge"]
    if near:
      stretches[-1][1] = leap
    else:
      stretches.append([leap, leap])
  wait = int(thresholds["episode_recovery"])
  episodes = []
  for first, last in stretches:
    level = max(usual[first - 1], floor) if first else np.inf
    back = np.flatnonzero(losses[last + 1 : end] <= level)
    if len(back):
      fate = "recovered" if back[0] < wait else "late"
    else:
      fate = "cut" if not diverged and last + wait >= end else "unrecovered"
    inside = norms[first : min(last + 1, end)]
    largest = float(inside.max()) if len(inside) else float("nan")
    episodes.append(Episode(int(steps[first]), int(steps[last]), largest, fate))
  return episodes


def run_episodes(run: Run, thresholds: dict[str, float]) -> tuple[list[Episode], ...]:
  """The episodes of every seed of a run; () without a ledger."""
  ledger = run.ledger.values
  if "norm_before" not in ledger or "loss" not in ledger:
    return ()
  columns = zip(ledger["norm_before"].T, ledger["loss"].T, strict=True)
  floor = thresholds["episode_floor"] * (run.chance_loss or 0.0)
  return tuple(
    find_episodes(run.ledger.steps, norms, losses, thresholds, floor)
    for norms, losses in columns
  )


def count_episodes(seeds: tuple[list[Episode], ...]) -> Count:
  """Add up the episodes of a run."""
  kinds = [[episode.fate for episode in episodes] for episodes in seeds]
  every = [kind for seed in kinds for kind in seed]
  return Count(
    total=len(every),
    recovered=every.count("recovered"),
    late=every.count("late"),
    unrecovered=every.count("unrecovered"),
    cut=every.count("cut"),
    seeds=sum("unrecovered" in seed for seed in kinds),
  )
