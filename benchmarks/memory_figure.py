"""Peak memory of a gradient, and its time against the plain scan's, by length."""

import pathlib
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.figure import canvas
from benchmarks.memory_programs import ARRANGEMENTS, PLAIN
from benchmarks.memory_table import MIB
from rnn_research.report.style import CELLS, INK

WIDTH, HEIGHT = 8.4, 5.2
# Okabe and Ito's colours; a marker says the same.
STYLES = dict(
  zip(
    ARRANGEMENTS,
    ((INK, "D"), ("#E69F00", "o"), ("#0072B2", "s"), ("#CC79A7", "^")),
    strict=True,
  )
)


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: a column a cell, memory above, time below."""
  cells = list(dict.fromkeys(row["cell"] for row in rows))
  lengths = sorted({row["time"] for row in rows})
  size = (max(WIDTH * len(cells) / 3, 4.6), HEIGHT)
  with canvas(path, size, len(cells), sharey="row", lines=2) as (figure, panels):
    memory, times = panels[: len(cells)], panels[len(cells) :]
    for above, below, cell in zip(memory, times, cells, strict=True):
      above.set_title(CELLS[cell].name)
      for arrangement in ARRANGEMENTS:
        own = [
          row
          for row in rows
          if (row["cell"], row["arrangement"]) == (cell, arrangement)
        ]
        _memory(above, own, arrangement)
        if arrangement != PLAIN:
          _time(below, [row for row in own if row["ratio"] is not None], arrangement)
      below.axhline(1, color=INK, linewidth=0.9)
      for panel in (above, below):
        panel.set_xscale("log")
        # Given, because a single length spans nothing.
        panel.set_xlim(lengths[0] / 1.6, lengths[-1] * 1.6)
      below.set_xticks(lengths, [f"{length:,}" for length in lengths])
      below.xaxis.set_minor_formatter(NullFormatter())
      below.set_xlabel("time steps")
      for panel, subs in ((above, (1,)), (below, (1, 1.5, 2, 3, 5, 7))):
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=subs))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
    memory[0].set_ylabel("peak memory, MiB\n(hollow: planned, not run)")
    times[0].set_ylabel("time / plain scan's\n(95% interval)")
    marks, names = memory[0].get_legend_handles_labels()
    figure.legend(marks, names, loc="outside lower center", ncols=len(names))


def _memory(panel, rows, arrangement):
  """Measured peaks as a line; what was only planned hollow behind a dotted one."""
  colour, marker = STYLES[arrangement]
  run = [row for row in rows if row["peak_bytes"] is not None]
  panel.plot(
    [row["time"] for row in run],
    [row["peak_bytes"] / MIB for row in run],
    color=colour,
    marker=marker,
    label=arrangement,
  )
  planned = [row for row in rows if row["peak_bytes"] is None]
  if planned:
    reached = [(row["time"], row["peak_bytes"] / MIB) for row in run[-1:]]
    reached += [(row["time"], row["temporary_bytes"] / MIB) for row in planned]
    panel.plot(*zip(*reached, strict=True), color=colour, linestyle=":", linewidth=1)
    panel.plot(
      *zip(*reached[len(run[-1:]) :], strict=True),
      color=colour,
      marker=marker,
      markerfacecolor="white",
      linestyle="",
    )


def _time(panel, rows, arrangement):
  colour, marker = STYLES[arrangement]
  panel.errorbar(
    [row["time"] for row in rows],
    [row["ratio"] for row in rows],
    yerr=(
      [row["ratio"] - row["ratio_low"] for row in rows],
      [row["ratio_high"] - row["ratio"] for row in rows],
    ),
    color=colour,
    marker=marker,
  )
