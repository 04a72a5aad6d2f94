"""Fig. 5: held-out error against training step, with intervals over seeds."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.outcomes import last_error
from rnn_research.report.picture import Picture
from rnn_research.report.records import Series
from rnn_research.report.selection import family_of, with_runs
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study

LIMITS = (
  "what another learning rate or budget would give. Where some seeds solve the"
  " task and others do not, the mean lies where no seed is, and a t interval"
  " says little; the table counts the seeds. Errors on the way are from fewer"
  " examples than the last one."
)


def band(
  series: Series,
) -> tuple[
  Float[np.ndarray, "steps"],
  Float[np.ndarray, "steps"],
  Float[np.ndarray, "steps"],
]:
  """Mean over seeds with the ends of its 95% t interval, row by row."""
  rows = [mean_interval(values) for values in series.values]
  columns = np.array([row[:3] for row in rows]).reshape(-1, 3)
  return columns[:, 0], columns[:, 1], columns[:, 2]


def draw(study: Study) -> Picture | None:
  """One panel per problem; a line per arm."""
  arms = [
    arm
    for arm in with_runs(study)
    if arm.group in ("synthetic", "digits") and len(arm.run.get("eval/error").steps)
  ]
  if not arms:
    return None
  problems = list({_panel(arm): None for arm in arms})
  figure = Figure(figsize=(style.WIDTH, 4.2), layout="constrained")
  grid = figure.subplots(1, len(problems), squeeze=False)
  for axes, problem in zip(grid.flat, problems, strict=True):
    here = [arm for arm in arms if _panel(arm) == problem]
    for arm in here:
      _line(axes, arm, here)
    if here[0].group == "digits":
      _digits(axes, study)
    else:
      _synthetic(axes, here[0], study)
    axes.set_title(problem)
    axes.set_xlabel("training step")
    axes.set_xlim(left=0)
    axes.legend(
      loc="upper center",
      bbox_to_anchor=(0.5, -0.16),
      ncols=2 if len(problems) > 1 else 3,
    )
  grid[0, 0].set_ylabel("held-out error (fraction of sequences)")
  return Picture(
    "learning_curves",
    _title(arms),
    figure,
    _caption(arms, study),
    LIMITS,
    tuple(arms),
  )


def _panel(arm: Arm) -> str:
  name = arm.problem.replace("_", " ")
  return name if arm.length is None else f"{name}, T = {arm.length}"


def _line(axes: Axes, arm: Arm, here: list[Arm]) -> None:
  series = arm.run.get("eval/error")
  look = style.cell_style(arm.cell)
  family = family_of(arm, here)
  colour = style.shade(arm, family)
  # a knob turned once has no shade to tell it from the cell's default
  alone = arm.value not in (None, 1.0) and len(family) == 1
  mean, low, high = band(series)
  # an error lies between 0 and 1, whatever its t interval says
  low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
  axes.fill_between(series.steps, low, high, color=colour, alpha=0.1, linewidth=0)
  axes.plot(
    series.steps,
    mean,
    color=colour,
    marker=look.marker,
    markevery=max(len(series.steps) // 8, 1),
    markersize=4,
    linestyle="--" if alone else "-",
    label=arm.label,
  )


def _synthetic(axes: Axes, arm: Arm, study: Study) -> None:
  axes.set_ylim(-0.02, 1)
  lines = {"solved": study.thresholds["solved_error"]}
  chance = (arm.run.status.get("problem") or {}).get("chance_error")
  if chance is not None:
    lines["chance"] = chance
  for name, level in lines.items():
    axes.axhline(level, color=style.MUTED, linewidth=0.8, linestyle=":")
    _say(axes, name, level, 0.99 if name == "chance" else 0.01)


def _digits(axes: Axes, study: Study) -> None:
  axes.set_yscale("log")
  axes.set_ylim(0.008, 1)
  axes.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
  axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
  axes.minorticks_off()
  error = study.baseline.get("digits", {}).get("test_error")
  if error is not None:
    axes.axhline(error, color=style.INK, linewidth=1.2, linestyle="--")
    _say(axes, "linear classifier, whole image", error, 0.01)


def _say(axes: Axes, text: str, level: float, across: float) -> None:
  axes.annotate(
    text,
    (across, level),
    xycoords=("axes fraction", "data"),
    xytext=(0, 2),
    textcoords="offset points",
    ha="right" if across > 0.5 else "left",
    fontsize=7.5,
    color=style.MUTED,
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
