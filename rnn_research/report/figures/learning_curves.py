"""Fig. 5: held-out error against training step, with intervals over seeds."""

from collections import Counter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnn_research.report import style, wording
from rnn_research.report.figures.held_out_error import (
  digits_levels,
  line,
  synthetic_levels,
)
from rnn_research.report.outcomes import last_error
from rnn_research.report.picture import Picture
from rnn_research.report.selection import family_of, with_runs
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study

ALIKE = 3  # lines of one look that a panel may hold
ACROSS = 4  # panels in a row
DASHES = ("-", "--", ":", "-.")

LIMITS = (
  "what another learning rate or budget would give. Where some seeds solve the"
  " task and others do not, the mean lies where no seed is, and a t interval"
  " says little; the table counts the seeds. Errors on the way are from fewer"
  " examples than the last one."
)


def draw(study: Study) -> Picture | None:
  """One panel per problem and a line per arm; if these look alike, a panel each."""
  arms = [
    arm
    for arm in with_runs(study)
    if arm.group in ("synthetic", "digits") and len(arm.run.get("eval/error").steps)
  ]
  if not arms:
    return None
  figure = _apart(arms, study) if _alike(arms) else _together(arms, study)
  return Picture(
    "learning_curves",
    _title(arms),
    figure,
    _caption(arms, study),
    LIMITS,
    tuple(arms),
  )


def _alike(arms: list[Arm]) -> bool:
  """Whether more lines of one look would share a panel than a legend can tell."""
  if any(arm.group != "synthetic" for arm in arms):  # digits have another axis
    return False
  looks = Counter()
  for problem in {_panel(arm) for arm in arms}:
    here = [arm for arm in arms if _panel(arm) == problem]
    looks.update((problem, *_look(arm, here)) for arm in here)
  return max(looks.values()) > ALIKE


def _together(arms: list[Arm], study: Study) -> Figure:
  """A panel per problem."""
  problems = list({_panel(arm): None for arm in arms})
  figure = Figure(figsize=(style.WIDTH, 4.2), layout="constrained")
  grid = figure.subplots(1, len(problems), squeeze=False)
  for axes, problem in zip(grid.flat, problems, strict=True):
    here = [arm for arm in arms if _panel(arm) == problem]
    for arm in here:
      _line(axes, arm, here)
    if here[0].group == "digits":
      digits_levels(axes, study)
    else:
      synthetic_levels(axes, here[0], study)
    axes.set_title(problem)
    axes.set_xlabel("training step")
    axes.set_xlim(left=0)
    axes.legend(
      loc="upper center",
      bbox_to_anchor=(0.5, -0.16),
      ncols=2 if len(problems) > 1 else 3,
    )
  grid[0, 0].set_ylabel("held-out error (fraction of sequences)")
  return figure


def _apart(arms: list[Arm], study: Study) -> Figure:
  """A panel per treatment, with a line per problem."""
  labels = list(dict.fromkeys(arm.label for arm in arms))
  problems = list(dict.fromkeys(_panel(arm) for arm in arms))
  rows = -(-len(labels) // ACROSS)
  figure = Figure(figsize=(style.WIDTH, 0.6 + 1.5 * rows), layout="constrained")
  grid = figure.subplots(rows, ACROSS, sharex=True, sharey=True, squeeze=False)
  for axes, label in zip(grid.flat, labels, strict=False):
    here = [arm for arm in arms if arm.label == label]
    for arm in here:
      dashes = DASHES[problems.index(_panel(arm)) % len(DASHES)]
      line(axes, arm, color=style.cell_style(arm.cell).colour, linestyle=dashes)
    synthetic_levels(axes, here[0], study)
    axes.set_title(style.wrapped(label, ACROSS))
    axes.set_xlim(left=0)
  for number in range(len(labels), grid.size):
    grid.flat[number].set_visible(False)
    # what stands above the gap is now the last of its column
    grid.flat[number - ACROSS].tick_params(labelbottom=True)
  entries = [
    Line2D([], [], color=style.INK, linestyle=DASHES[n % len(DASHES)], label=problem)
    for n, problem in enumerate(problems)
  ]
  figure.legend(handles=entries, loc="outside upper center", ncols=4)
  figure.supxlabel("training step", fontsize=8.5)
  figure.supylabel("held-out error (fraction of sequences)", fontsize=8.5)
  return figure


def _panel(arm: Arm) -> str:
  name = arm.problem.replace("_", " ")
  return name if arm.length is None else f"{name}, T = {arm.length}"


def _look(arm: Arm, here: list[Arm]) -> tuple[str, tuple[float, float, float], str]:
  """Marker, colour and dashes of an arm among those of its panel."""
  family = family_of(arm, here)
  # a knob turned once has no shade to tell it from the cell's default
  alone = arm.value not in (None, 1.0) and len(family) == 1
  shade = style.shade(arm, family)
  return style.cell_style(arm.cell).marker, shade, "--" if alone else "-"


def _line(axes: Axes, arm: Arm, here: list[Arm]) -> None:
  marker, colour, dashes = _look(arm, here)
  line(
    axes,
    arm,
    color=colour,
    marker=marker,
    markevery=max(len(arm.run.get("eval/error").steps) // 8, 1),
    markersize=4,
    linestyle=dashes,
    label=arm.label,
  )


def _title(arms: list[Arm]) -> str:
  parts = []
  for problem in {_panel(arm): None for arm in arms}:
    here = [arm for arm in arms if _panel(arm) == problem]
    means = {a.label: mean_interval(last_error(a.run)).mean for a in here}
    means = {name: mean for name, mean in means.items() if np.isfinite(mean)}
    if means:
      best, worst = min(means, key=means.get), max(means, key=means.get)
      text = f"{wording.percent(means[best], 1)} ({best})"
      if best != worst:
        text += f" to {wording.percent(means[worst], 1)} ({worst})"
      parts.append(f"{text} on {problem}")
  return f"Held-out error at the end: {'; '.join(parts) or 'none on record'}"


def _caption(arms: list[Arm], study: Study) -> tuple[str, ...]:
  sentences = []
  for problem in {_panel(arm): None for arm in arms}:
    parts = []
    for arm in (arm for arm in arms if _panel(arm) == problem):
      mean, low, high, count = mean_interval(last_error(arm.run))
      ends = [wording.percent(x, 1) for x in (max(low, 0.0), min(high, 1.0))]
      text = f"{arm.label}: {wording.percent(mean, 1)}"
      parts.append(f"{text} [{', '.join(ends)}]" if count > 1 else text)
    sentences.append(f"On {problem}, {'; '.join(parts)}.")
  digits = any(arm.group == "digits" for arm in arms)
  baseline = study.baseline.get("digits")
  if baseline and digits:
    sentences.append(
      f"Dashed: {baseline.get('name', 'baseline')},"
      f" {wording.percent(baseline['test_error'], 1)} wrong on"
      f" {baseline.get('examples', 0):,} test images."
    )
  sentences.append(
    "Lines are means over seeds, bands their 95% t interval, cut at 0 and 1."
    + (" The digits axis is logarithmic." if digits else "")
  )
  return tuple(sentences)
