"""Training steps of recurrent and convolutional classifiers against length."""

import pathlib
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.cnn_models import CNN
from benchmarks.figure import canvas
from rnn_research.report.style import CELLS, INK, MUTED

SIZE = (8.4, 3.4)
SAID = 4  # times longer, as is often said


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: milliseconds of a step, and the ratio to the CNN."""
  lengths = sorted({row["time"] for row in rows})
  with canvas(path, SIZE, panels=2) as (figure, (times, ratios)):
    for model in dict.fromkeys(row["model"] for row in rows):
      own = [row for row in rows if row["model"] == model]
      steps = [row["time"] for row in own]
      look = _look(model)
      times.plot(steps, [row["milliseconds"] for row in own], **look)
      if model != CNN:
        middle = [row["ratio"] for row in own]
        below = [row["ratio"] - row["ratio_low"] for row in own]
        above = [row["ratio_high"] - row["ratio"] for row in own]
        ratios.errorbar(steps, middle, yerr=(below, above), **look)
    times.set_ylabel("one training step, ms")
    ratios.set_ylabel("model / CNN (95% interval)")
    ratios.axhline(1, color=INK, linewidth=0.9)
    ratios.axhline(SAID, color=MUTED, linewidth=0.9, linestyle="--")
    ratios.annotate(
      "“four times”",
      (1, SAID),
      xycoords=("axes fraction", "data"),
      xytext=(0, 3),
      textcoords="offset points",
      ha="right",
      color=MUTED,
    )
    for panel in (times, ratios):
      panel.set_xscale("log")
      panel.set_xticks(lengths, [f"{length:,}" for length in lengths])
      panel.xaxis.set_minor_formatter(NullFormatter())
      panel.set_xlabel("time steps")
      panel.set_yscale("log")
      panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
      panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
      panel.yaxis.set_minor_formatter(NullFormatter())
    marks, names = times.get_legend_handles_labels()
    figure.legend(marks, names, loc="outside lower center", ncols=len(names))


def _look(model: str) -> dict[str, Any]:
  if model == CNN:
    return {"color": INK, "marker": "D", "label": "CNN"}
  style = CELLS[model]
  return {"color": style.colour, "marker": style.marker, "label": style.name}
