"""Verdict, Fig. 1: the gain at the task's lag and the loss through training."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.figures.opening import (
  draw_seeds,
  half_open,
  halved,
  loss_series,
  mark_chance,
)
from rnn_research.report.picture import Picture
from rnn_research.report.statistics import mean_interval
from rnn_research.report.verdict.records import Diagnosis

LIMITS = (
  "that the gain causes the learning, or the other way round: both are measured on the"
  " same training run. What other directions than the loss's own have left is another"
  " curve."
)
BAND = "#eef3ee"


def draw(found: Diagnosis) -> Picture | None:
  """Gain above, with the band in which it passes; loss below."""
  series = found.gain.drawn
  if len(series.steps) < 2:
    return None
  look = style.cell_style(found.arm.cell)
  figure = Figure(figsize=(style.WIDTH, 4.6), layout="constrained")
  upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
  _gain(upper, found, look.colour)
  loss = loss_series(found.arm)
  draw_seeds(lower, loss, look.colour)
  chance = found.run.chance_loss
  if chance is not None:
    mark_chance(lower, chance, "chance: nothing remembered")
  lower.set_ylim(bottom=0)
  lower.set_ylabel("training loss")
  lower.set_xlabel("training step")
  lower.set_xlim(0, max(found.run.steps, 1))
  return Picture("gain", _title(found), figure, _caption(found), LIMITS, (found.arm,))


def _gain(axes: Axes, found: Diagnosis, colour: str) -> None:
  decades, series = found.decades, found.gain.drawn
  axes.axhspan(-decades, decades, color=BAND, zorder=0)
  draw_seeds(axes, series, colour)
  values = series.values[np.isfinite(series.values)]
  low, high = values.min(initial=0), values.max(initial=0)
  axes.set_ylim(min(low, -decades) - 1, max(high, 0.5) + 1)
  for level, text in ((-decades, "fades below"), (decades, "blows up above")):
    if axes.get_ylim()[0] < level < axes.get_ylim()[1]:
      axes.axhline(level, color=style.MUTED, linewidth=0.8)
      axes.annotate(
        text,
        (0.995, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, -9 if level < 0 else 3),
        textcoords="offset points",
        ha="right",
        color=style.MUTED,
        fontsize=7.5,
      )
  axes.set_ylabel(f"log10 gain at\n{found.gain.place}")


def _title(found: Diagnosis) -> str:
  start, now = (mean_interval(x.gain).mean for x in (found.initial, found.final))
  return (
    f"Of the gradient {wording.portion(start)} is left at {found.gain.place} before"
    f" training, {wording.portion(now)} at the end"
  )


def _caption(found: Diagnosis) -> tuple[str, ...]:
  opening, fall = half_open(found.gain.drawn), halved(loss_series(found.arm))
  rise = (
    f"The median gain has risen half of its way by step {wording.steps(opening.step)}"
    if opening.rise >= 1
    else "The median gain never rises by a factor of ten"
  )
  halving = (
    f"is halved by step {wording.steps(fall)}" if np.isfinite(fall) else "never halves"
  )
  return (
    f"{rise}; the median loss {halving}.",
    "Thin lines are seeds, thick lines their median. Shaded: the gain passes, within"
    f" ±{found.decades:g} decades of 1.",
  )
