"""Verdict, Fig. 2: the gain before training of other starts, knob by knob."""

import numpy as np
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.gains import nothing_left
from rnn_research.report.picture import Picture
from rnn_research.report.statistics import mean_interval
from rnn_research.report.verdict.records import Diagnosis
from rnn_research.report.verdict.sentences import moved
from rnn_research.report.verdict.timeline import BAND

LIMITS = (
  "whether any of these starts learns more: they were measured and not trained. Knobs"
  " are turned one at a time, so what two of them do together isn't here."
)


def draw(found: Diagnosis) -> Picture | None:
  """A row a start: mean over seeds, its interval, and the seeds."""
  if not found.tries:
    return None
  rows = [("as it was run", found.initial.gain)]
  rows += [(f"{t.knob} {t.value:g}", t.gain) for t in found.tries]
  rows = [(name, values[np.isfinite(values)]) for name, values in rows]
  look = style.cell_style(found.arm.cell)
  height = 1.2 + 0.27 * len(rows)
  figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
  axes = figure.subplots()
  axes.axvspan(-found.decades, found.decades, color=BAND, zorder=0)
  for row, (_, values) in enumerate(rows):
    colour = style.INK if row == 0 else look.colour
    mean, low, high, count = mean_interval(values)
    axes.plot(values, np.full(len(values), row), "|", color=colour, alpha=0.5)
    if count > 1:
      axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.35)
    axes.plot([mean], [row], look.marker, color=colour, markersize=6)
  axes.set_yticks(range(len(rows)), [name for name, _ in rows])
  axes.invert_yaxis()
  axes.set_xlabel(f"log10 gain at {found.gain.place}, before training")
  left = min(axes.get_xlim()[0], -found.decades - 0.5)
  axes.set_xlim(left, max(axes.get_xlim()[1], 0.5))
  inside = moved(found)
  return Picture(
    "starts",
    f"{len(inside)} of {wording.plural(len(found.tries), 'other start')} put the gain"
    f" inside ±{found.decades:g} decades",
    figure,
    (
      "Untested by training. Input scale and recurrent gain multiply every matrix of"
      " their kind; forget bias and chrono set the bias of the gate that keeps the"
      " state (chrono: time scales up to the number shown).",
      "Ticks are seeds, the marker is their mean, the bar its 95% t interval. Shaded:"
      f" the gain passes.{_lost(found)}",
    ),
    LIMITS,
    (found.arm,),
  )


def _lost(found: Diagnosis) -> str:
  """Of which starts some seeds have no tick, since nothing is left."""
  starts = [("as it was run", found.initial.gain)]
  starts += [(t.setting, t.gain) for t in found.tries]
  told = [f"{name}: {lost}" for name, gain in starts if (lost := nothing_left(gain))]
  return f" Not drawn: {wording.listing(told)}." if told else ""
