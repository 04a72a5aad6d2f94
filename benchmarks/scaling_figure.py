"""Time of a gradient against each size, and of several seeds against their number."""

import pathlib
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.figure import canvas
from benchmarks.scaling_programs import ALONE, APART, LOOPS
from benchmarks.scaling_table import EXPONENT, NAMES, SEEDS, SIZE
from rnn_research.report.style import CELLS, INK, MUTED

FIGURE = (9.2, 6.0)
VARIED = ("time", "batch", "hidden")
# Okabe and Ito's colours for loops; dashes for one device, lines for all.
LOOKS = dict(zip(LOOPS, (("#0072B2", "s"), ("#E69F00", "o")), strict=True))


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: sizes above, the seeds of each cell below."""
  cells = list(dict.fromkeys(row["cell"] for row in rows))
  with canvas(path, FIGURE, 3, sharex=False, lines=2) as (figure, panels):
    for panel, varied in zip(panels, VARIED, strict=False):
      _sizes(panel, rows, varied, cells)
    panels[0].set_ylabel("one gradient, ms")
    for panel in panels[3 + len(cells) :]:
      panel.set_visible(False)
    for panel, cell in zip(panels[3:], cells, strict=False):
      own = [row for row in rows if (row["kind"], row["cell"]) == (SEEDS, cell)]
      _seeds(panel, _largest_family(own), cell)
    panels[3].set_ylabel("one program / one seed alone\n(95% interval)")
    marks, names = panels[3].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside lower center", ncols=len(names))


def _sizes(panel, rows, varied, cells):
  ticks = set()
  for cell in cells:
    own = [
      row
      for row in rows
      if row["cell"] == cell and row.get("varied") == varied and row["kind"] == SIZE
    ]
    (fit,) = (
      row
      for row in rows
      if (row["kind"], row["cell"], row.get("varied")) == (EXPONENT, cell, varied)
    )
    look = CELLS[cell]
    panel.plot(
      [row[varied] for row in own],
      [row["milliseconds"] for row in own],
      color=look.colour,
      marker=look.marker,
      label=f"{look.name}: exponent {fit['exponent']:.2f}",
    )
    ticks |= set(fit["sizes"])
  fixed = next(
    row for row in rows if row["kind"] == EXPONENT and row["varied"] == varied
  )
  others = ", ".join(
    f"{NAMES[name]} {fixed[name]}"
    for name in ("batch", "time", "hidden")
    if name != varied
  )
  panel.set_title(f"one seed: {others}", fontweight="normal")
  _log(panel, sorted(ticks))
  panel.set_xlabel(NAMES[varied])
  panel.legend()


def _seeds(panel, rows, cell):
  most = max((row["devices"] for row in rows), default=1)
  counts = sorted({row["seeds"] for row in rows})
  for devices in sorted({row["devices"] for row in rows}):
    for loop in LOOPS:
      own = [r for r in rows if (r["devices"], r["loop"]) == (devices, loop)]
      colour, marker = LOOKS[loop]
      word = "device" if devices == 1 else "devices"
      panel.errorbar(
        [row["seeds"] for row in own],
        [row["ratio"] for row in own],
        yerr=(
          [row["ratio"] - row["ratio_low"] for row in own],
          [row["ratio_high"] - row["ratio"] for row in own],
        ),
        color=colour,
        marker=marker,
        markerfacecolor=colour if devices == most else "white",
        linestyle="-" if devices == most else "--",
        label=f"{loop}, {devices} {word}",
      )
  apart = [row for row in rows if row["loop"] == APART]
  panel.plot(
    [row["seeds"] for row in apart],
    [row["ratio"] for row in apart],
    color="#009E73",
    marker="D",
    linestyle="",
    label="a process a device" if apart else None,
  )
  for devices in sorted({row["devices"] for row in rows}):
    panel.plot(
      counts,
      [count / devices for count in counts],
      color=INK if devices == most else MUTED,
      linewidth=0.8,
      linestyle=":",
      label="seeds / devices" if devices == most else None,
    )
  hidden = {row["hidden"] for row in rows}
  panel.set_title(f"{CELLS[cell].name}, hidden {', '.join(map(str, hidden))}")
  _log(panel, counts)
  panel.set_xlabel("seeds in one program")


def _largest_family(rows):
  """The rows of the hidden size that most programs were measured at."""
  several = [row for row in rows if row["loop"] != ALONE]
  if not several:
    return []
  sizes = [row["hidden"] for row in several]
  most = max(dict.fromkeys(sizes), key=sizes.count)
  return [row for row in several if row["hidden"] == most]


def _log(panel, ticks):
  panel.set_xscale("log")
  panel.set_yscale("log")
  panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
  panel.xaxis.set_minor_formatter(NullFormatter())
  panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
  panel.yaxis.set_minor_formatter(NullFormatter())
