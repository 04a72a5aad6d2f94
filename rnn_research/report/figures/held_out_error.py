"""What is drawn of a held-out error, whichever way the arms share the panels."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from rnn_research.report import style
from rnn_research.report.records import Series
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study


def _band(
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


def line(axes: Axes, arm: Arm, **look) -> None:
  """The mean over seeds and its interval."""
  series = arm.run.get("eval/error")
  mean, low, high = _band(series)
  # an error lies between 0 and 1, whatever its t interval says
  low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
  axes.fill_between(
    series.steps, low, high, color=look["color"], alpha=0.1, linewidth=0
  )
  axes.plot(series.steps, mean, **look)


def synthetic_levels(axes: Axes, arm: Arm, study: Study) -> None:
  """Chance, and the error from which on a task counts as solved."""
  axes.set_ylim(-0.02, 1)
  lines = {"solved": study.thresholds["solved_error"]}
  chance = (arm.run.status.get("problem") or {}).get("chance_error")
  if chance is not None:
    lines["chance"] = chance
  for name, level in lines.items():
    axes.axhline(level, color=style.MUTED, linewidth=0.8, linestyle=":")
    _say(axes, name, level, 0.99 if name == "chance" else 0.01)


def digits_levels(axes: Axes, study: Study) -> None:
  """A logarithmic axis, and the error of the classifier without recurrence."""
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
