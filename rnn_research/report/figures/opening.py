"""Fig. 1: the gain at the first event and the loss against training step."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.gains import Gain, first_event_gain
from rnn_research.report.picture import Picture
from rnn_research.report.records import Series
from rnn_research.report.selection import headline_arms
from rnn_research.report.statistics import mean_interval, median
from rnn_research.report.study import Arm, Study

LIMITS = (
  "that the gain causes the learning, or the other way round: both are measured"
  " on the same training runs. Gain is measured at one lag and only every few"
  " dozen steps, so an order of events closer than that cannot be read off."
)


class Opening(NamedTuple):
  """When the median over seeds of a gain has risen half of its way.

  Attributes:
    step: the first step past the middle; NaN if it never rises.
    rise: from the first value to the largest, in decades.
  """

  step: float
  rise: float


def half_open(gain: Series) -> Opening:
  """First step past the middle between the first log10 gain and the largest."""
  values = median(gain.values, axis=1)
  steps = gain.steps[np.isfinite(values)]
  values = values[np.isfinite(values)]
  if not len(values):
    return Opening(np.nan, 0.0)
  rise = float(values.max() - values[0])
  step = float(steps[np.argmax(values >= values[0] + rise / 2)])
  return Opening(step if rise > 0 else np.nan, rise)


def halved(loss: Series) -> float:
  """First step at which the median over seeds is below half its first value.

  Infinity if it never is, NaN without a value.
  """
  values = median(loss.values, axis=1)
  steps = loss.steps[np.isfinite(values)]
  values = values[np.isfinite(values)]
  if not len(values):
    return np.nan
  below = values < values[0] / 2
  return float(steps[np.argmax(below)]) if below.any() else np.inf


def loss_series(arm: Arm) -> Series:
  """Training loss, or held-out loss where no training loss was logged."""
  loss = arm.run.get("train/loss")
  return loss if len(loss.steps) else arm.run.get("eval/loss")


def draw(study: Study) -> Picture | None:
  """Small multiples, an arm a column: gain above, loss below."""
  arms = [arm for arm in headline_arms(study) if _gain(arm).series.steps.size]
  if not arms:
    return None
  figure = Figure(figsize=(style.WIDTH, 4.3), layout="constrained")
  grid = figure.subplots(2, len(arms), sharex=True, sharey="row", squeeze=False)
  for (upper, lower), arm in zip(grid.T, arms, strict=True):
    look = style.cell_style(arm.cell)
    draw_seeds(upper, _gain(arm).drawn, look.colour)
    draw_seeds(lower, loss_series(arm), look.colour)
    upper.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
    chance = arm.run.chance_loss
    if chance is not None:
      mark_chance(lower, chance, "chance")
    upper.set_title(style.wrapped(arm.label, len(arms)))
    lower.set_ylim(bottom=0)
    lower.set_xlabel("training step")
  first = min(int(loss_series(arm).steps[:1].sum() or 1) for arm in arms)
  for axes in grid.flat:
    axes.set_xscale("symlog", linthresh=max(first, 1), linscale=0.5)
    axes.set_xlim(left=0)
    axes.set_xticks(_ticks(arms))
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    axes.minorticks_off()
  place = _gain(arms[0]).place
  grid[0, 0].set_ylabel(f"log10 gain at\n{place}")
  grid[1, 0].set_ylabel("training loss")
  return Picture("opening", _title(arms), figure, _caption(arms), LIMITS, tuple(arms))


def _ticks(arms: list[Arm]) -> list[int]:
  last = max(arm.run.steps for arm in arms)
  return [0, *(10**n for n in range(1, 10) if 10**n <= last)]


def _gain(arm: Arm) -> Gain:
  return first_event_gain(arm.run)


def mark_chance(axes: Axes, level: float, text: str) -> None:
  """A dotted line at the loss of who remembers nothing, and its name."""
  axes.axhline(level, color=style.MUTED, linewidth=0.8, linestyle=":")
  axes.annotate(
    text,
    (1, level),
    xycoords=("axes fraction", "data"),
    xytext=(0, 2),
    textcoords="offset points",
    ha="right",
    color=style.MUTED,
    fontsize=7.5,
  )


def draw_seeds(axes: Axes, series: Series, colour: str) -> None:
  """A thin line a seed, a thick one for their median."""
  if not len(series.steps):
    return
  axes.plot(series.steps, series.values, color=colour, linewidth=0.6, alpha=0.4)
  middle = median(series.values, axis=1)
  axes.plot(series.steps, middle, color=colour, linewidth=2.2)


def _title(arms: list[Arm]) -> str:
  parts = []
  for arm in arms:
    opening = half_open(_gain(arm).drawn)
    if opening.rise >= 1:
      fall = wording.steps(halved(loss_series(arm)))
      parts.append(
        f"{arm.label} at step {wording.steps(opening.step)} (loss halved: {fall})"
      )
  if not parts:
    return "No gain rises by as much as a factor of ten during training"
  return f"The gain is half-way open in {wording.listing(parts)}"


def _caption(arms: list[Arm]) -> tuple[str, ...]:
  sentences = []
  for arm in arms:
    gain = _gain(arm)
    loss = median(loss_series(arm).values, axis=1)
    last = loss[-1] if len(loss) else np.nan
    sentences.append(
      f"{arm.label}: log10 gain"
      f" {wording.number(mean_interval(gain.start).mean)} before training,"
      f" {wording.number(mean_interval(gain.largest).mean)} at its largest,"
      f" {wording.number(mean_interval(gain.end).mean)} at the end (means over"
      f" seeds); median loss at the end {wording.number(last, 3)}."
    )
  lags = {round(_gain(a).lag) for a in arms if np.isfinite(_gain(a).lag)}
  where = f", lag {wording.listing([str(x) for x in sorted(lags)])}"
  sentences.append(
    "Gain: median over examples of the loss curve at"
    f" {_gain(arms[0]).place}{where if lags else ''}, in {arms[0].run.layer}."
    " Thin lines are seeds, the thick line is their median; the step axis is"
    " linear up to the first logged step and logarithmic after it. Half-way"
    " open: the median over seeds has risen half of the way from its first to"
    " its largest log10 value. Loss halved: the median over seeds is below half"
    " of its first value. Arms whose median gain rises by less than a factor of"
    " ten are not in the title."
  )
  return tuple(sentences)
