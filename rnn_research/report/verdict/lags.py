"""Verdict, Fig. 3: gain by lag, and how far a swapped event moves the state."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.picture import Picture
from rnn_research.report.verdict.ends import ends
from rnn_research.report.verdict.records import Diagnosis, curves
from rnn_research.report.verdict.timeline import BAND

LIMITS = (
  "one example: each curve is the median over examples and then over seeds. The two"
  " panels need not agree; a distance that stays open says that something is"
  " remembered, not that it is used."
)


def draw(found: Diagnosis) -> Picture | None:
  """Gain against lag on the left, distance against steps since the event."""
  gain, distance = (curves(found.run, name) for name in ("curve", "distance"))
  if not len(gain.steps):
    return None
  panels = 2 if len(distance.steps) else 1
  figure = Figure(figsize=(style.WIDTH, 3.3), layout="constrained")
  grid = figure.subplots(1, panels, squeeze=False)[0]
  grid[0].axhspan(-found.decades, found.decades, color=BAND, zorder=0)
  for axes, series in zip(grid, (gain, distance), strict=False):
    looks = ends(found.arm.cell, len(series.values))
    for end, values in zip(looks, series.values, strict=True):
      axes.plot(
        np.arange(len(values)),
        values,
        color=end.colour,
        linestyle=end.linestyle,
        label=end.name,
      )
    mark_lag(axes, found)
    axes.set_xlim(left=0)
    axes.legend(loc="lower left")
  values = gain.values[np.isfinite(gain.values)]
  grid[0].set_ylim(min(values.min(initial=0), -found.decades) - 0.5, None)
  grid[0].set_title("gradient")
  grid[0].set_xlabel("lag (steps back from the last)")
  grid[0].set_ylabel("log10 gain")
  if panels > 1:
    grid[1].set_title("memory")
    grid[1].set_xlabel("steps since the swapped event")
    grid[1].set_ylabel("log10 distance of the states")
  return Picture(
    "lags",
    _title(found, gain.values),
    figure,
    _caption(found, panels),
    LIMITS,
    (found.arm,),
  )


def mark_lag(axes: Axes, found: Diagnosis) -> None:
  """A dotted line at the task's lag, if it has one."""
  if np.isfinite(found.gain.lag):
    axes.axvline(found.gain.lag, color=style.INK, linewidth=0.8, linestyle=":")


def _title(found: Diagnosis, values: np.ndarray) -> str:
  last = values[-1][np.isfinite(values[-1])]
  left = wording.portion(float(last[-1])) if len(last) else wording.NONE
  return f"At the longest lag, {left} of the gradient is left at the end"


def _caption(found: Diagnosis, panels: int) -> tuple[str, ...]:
  lag = found.gain.lag
  dotted = f"Dotted: lag {lag:.0f}, {found.gain.place}. " if np.isfinite(lag) else ""
  right = (
    " Right: log10 of the distance between the states of two runs that differ in the"
    " first event only."
    if panels > 1
    else ""
  )
  return (f"{dotted}Shaded: the gain passes.{right}", "Dashed: before training.")
