"""Fig. 8: the fraction of seeds that have not solved the task, step by step."""

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.outcomes import steps_to_solve
from rnn_research.report.picture import Picture
from rnn_research.report.reproduction import first_success
from rnn_research.report.selection import with_runs
from rnn_research.report.study import Arm, Study
from rnn_research.report.survival import median_with_interval

COLUMNS = 5  # of the risk table
HEIGHT = 0.8  # of a curve at 1, in rows
LIMITS = (
  "whether a seed that was not solved ever would be: it is censored at its last"
  " evaluation. A seed counts as solved from the first of three evaluations in a row"
  " on (of as many as its run was told to stop after, where it was), so one that loses"
  " the task again stays solved here; the table of arms counts seeds at the end."
)


def unsolved(
  solved_at: Float[np.ndarray, "seeds"], steps: Float[np.ndarray, "steps"]
) -> Int[np.ndarray, "steps"]:
  """Seeds at risk at each step: not solved before it or at it.

  Kaplan and Meier's estimate is this over the number of seeds, since none leaves
  before the end.
  """
  until = np.nan_to_num(solved_at, nan=np.inf)
  return (until[:, None] > steps).sum(0)


def draw(study: Study) -> Picture | None:
  """One panel per task; a row per arm, with its curve and its seeds at risk."""
  arms = [
    arm
    for arm in with_runs(study, "synthetic")
    if len(arm.run.get("eval/error").steps) > 1
  ]
  if len(arms) < 2:
    return None
  tasks = sorted({(arm.problem, arm.length or 0) for arm in arms})
  panels = {
    task: [arm for arm in arms if (arm.problem, arm.length or 0) == task]
    for task in tasks
  }
  rows = max(len(here) for here in panels.values())
  figure = Figure(figsize=(style.WIDTH, 1.2 + 0.34 * rows), layout="constrained")
  grid = figure.subplots(1, len(tasks), squeeze=False)
  for axes, ((problem, length), here) in zip(grid.flat, panels.items(), strict=True):
    for row, arm in enumerate(reversed(here)):
      _row(axes, row, arm, _solved_at(arm, study))
    labels = [style.wrapped(arm.label, 3) for arm in reversed(here)]
    axes.set_yticks(np.arange(len(here)), labels)
    axes.set_ylim(-0.1, len(here))
    axes.set_title(f"{problem.replace('_', ' ')}, T = {length}")
    axes.set_xlabel("training step")
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
  return Picture(
    "survival",
    _title(arms, study),
    figure,
    _caption(panels, study),
    LIMITS,
    tuple(arms),
  )


def _solved_at(arm: Arm, study: Study) -> Float[np.ndarray, "seeds"]:
  """By the run's own rule, where it stopped by it: its records end too soon for ours.

  NaN for a seed that was not solved.
  """
  if arm.run.config.get("train", {}).get("stop_when_solved"):
    return first_success(arm.run)
  threshold = study.thresholds["solved_error"]
  return steps_to_solve(arm.run.get("eval/error"), threshold)


def _row(axes: Axes, row: int, arm: Arm, solved_at: Float[np.ndarray, "seeds"]) -> None:
  """The curve as an area that stands on its row, and numbers at some steps."""
  steps = np.asarray(arm.run.get("eval/error").steps, float)
  left = unsolved(solved_at, steps)
  top = row + HEIGHT * left / len(solved_at)
  colour = style.cell_style(arm.cell).colour
  axes.fill_between(steps, row, top, step="post", color=colour, alpha=0.3, linewidth=0)
  axes.step(steps, top, where="post", color=colour, linewidth=1.2)
  for index in np.linspace(0, len(steps) - 1, COLUMNS).round().astype(int):
    axes.annotate(
      str(left[index]),
      (steps[index], row),
      xytext=(0, 2),
      textcoords="offset points",
      ha="right" if index == len(steps) - 1 else "left",
      fontsize=7,
    )


def _title(arms: list[Arm], study: Study) -> str:
  found = [_solved_at(arm, study) for arm in arms]
  solved = sum(int(np.isfinite(steps).sum()) for steps in found)
  whole = sum(len(steps) for steps in found)
  return f"{solved} of {wording.plural(whole, 'seed')} solve the task on the way"


def _caption(panels: dict[tuple[str, int], list[Arm]], study: Study) -> tuple[str, ...]:
  sentences = []
  for (_, length), here in panels.items():
    parts = []
    for arm in here:
      solved_at = _solved_at(arm, study)
      median, low, high = median_with_interval(solved_at)
      count = f"{np.isfinite(solved_at).sum()} of {len(solved_at)} solved"
      when = f"median step {wording.steps(median)}"
      when += f" ({wording.steps(low)} to {wording.steps(high)})"
      parts.append(f"{arm.label}: {count}, {when}")
    sentences.append(f"T = {length}, {'; '.join(parts)}.")
  sentences.append(
    "The height of an area is the fraction of seeds that have not solved the task, a"
    " full row being all of them; the numbers in it are the seeds at risk from that"
    " evaluation on. Medians count a seed that was not solved as later than all"
    " others, with the 95% interval of order statistics."
  )
  return tuple(sentences)
