"""One panel a cure: the number that it should move, and what became of the task."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style
from rnn_research.report.doses import WORDS, Response, responses
from rnn_research.report.picture import Picture
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Study

COLUMNS = 3
MOVED, SOLVED = "#0072B2", "#D55E00"  # blue and vermilion (Okabe and Ito)
LIMITS = (
  "that a cure helps: a number can move and the task be none the better. Settings"
  " were not tuned, networks are small, and each cure stands alone, against its own"
  " smallest dose and not against the others."
)


def draw(study: Study) -> Picture | None:
  """Mean and 95% interval of the number (dots), share of seeds that solve (bars)."""
  found = responses(study)
  if not found:
    return None
  rows = math.ceil(len(found) / COLUMNS)
  figure = Figure(figsize=(style.WIDTH, 2.2 * rows), layout="constrained")
  grid = figure.subplots(rows, COLUMNS, squeeze=False)
  for axes, response in zip(grid.flat, found, strict=False):
    _panel(axes, response)
  for axes in grid.flat[len(found) :]:
    axes.set_axis_off()
  count = sum(response.moved is True for response in found)
  return Picture(
    "doses",
    f"{count} of {len(found)} cures move the number they should",
    figure,
    [
      "Dots, left axis: the number that each cure should move, mean over seeds and 95%"
      " t interval; the words over a panel say where it should go.",
      "Bars, right axis: share of seeds that solve the task at the end, with 95% Wilson"
      " interval.",
      "Settings from the smallest dose (left) to the largest.",
    ],
    LIMITS,
    tuple(arm for response in found for arm in response.arms),
  )


def _panel(axes: Axes, response: Response) -> None:
  places = np.arange(len(response.doses))
  rates, below, above = [], [], []
  for dose in response.doses:
    count = max(dose.outcome.count, 1)
    rate = dose.outcome.wins / count
    low, high = dose.outcome.wilson
    rates.append(rate)
    below.append(max(rate - low, 0.0))
    above.append(max(high - rate, 0.0))
  right = axes.twinx()
  right.bar(places, rates, 0.6, color=SOLVED, alpha=0.25)
  right.errorbar(
    places, rates, yerr=[below, above], fmt="none", ecolor=SOLVED, alpha=0.6, lw=1
  )
  right.set_ylim(0, 1.05)
  right.set_yticks([0, 0.5, 1], ["0", "50", "100%"], color=SOLVED, fontsize=7)
  axes.set_zorder(right.get_zorder() + 1)
  axes.set_frame_on(False)
  intervals = [mean_interval(dose.number) for dose in response.doses]
  means = np.array([interval.mean for interval in intervals])
  arms = np.array([[i.mean - i.low, i.high - i.mean] for i in intervals])
  axes.errorbar(
    places,
    means,
    yerr=np.nan_to_num(arms.T),
    color=MOVED,
    marker="o",
    markersize=4,
    capsize=2,
    lw=1,
  )
  axes.tick_params(labelsize=7)
  axes.set_xticks(places, [dose.label for dose in response.doses], fontsize=7)
  axes.set_xlabel(response.knob, fontsize=7)
  axes.set_ylabel(response.measure, color=MOVED, fontsize=7)
  verdict = {True: "moved", False: "moved the wrong way", None: "not seen to move"}
  axes.set_title(
    f"{response.name}\n{WORDS[response.toward]}: {verdict[response.moved]}", fontsize=8
  )
