"""Train steps per second of all loops, one panel a setting."""

import pathlib
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.figure import canvas
from benchmarks.tables import TITLES
from benchmarks.team import OURS
from benchmarks.training_rows import NAMES
from rnn_research.report.style import CELLS, FAINT, INK

# Okabe and Ito's colours; a marker says the same.
STYLES = {OURS: ("#0072B2", "o"), "flax": ("#E69F00", "s"), "torch": ("#D55E00", "X")}
TASKS = {"temporal_order": "temporal order", "digits": "digits"}
WIDTH = 8.4  # inches
LINE = 0.24
MARGIN = 1.3

Row = dict[str, Any]


def draw(rows: Sequence[Row], path: pathlib.Path) -> None:
  """Writes an SVG: a line a task, cell and number of seeds, on a log axis."""
  settings = list(dict.fromkeys(row["setting"] for row in rows))
  entries = list(dict.fromkeys(_entry(row) for row in rows))
  size = (WIDTH, MARGIN + LINE * len(entries))
  with canvas(path, size, len(settings), sharey=True) as (figure, panels):
    for panel, setting in zip(panels, settings, strict=True):
      here = [row for row in rows if row["setting"] == setting]
      _panel(panel, here, entries)
      panel.set_title(TITLES[setting])
    panels[0].set_yticks(range(len(entries)), [_label(entry) for entry in entries])
    panels[0].set_ylim(len(entries) - 0.5, -0.5)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))


def _panel(panel, rows: Sequence[Row], entries: Sequence[tuple]) -> None:
  """Points of all libraries, and a line from the slowest to the fastest."""
  for place, entry in enumerate(entries):
    speeds = [row["steps_per_second"] for row in rows if _entry(row) == entry]
    panel.plot([min(speeds), max(speeds)], [place, place], color=FAINT, zorder=1)
  for library in dict.fromkeys(row["library"] for row in rows):
    own = [row for row in rows if row["library"] == library]
    colour, marker = STYLES[library]
    panel.plot(
      [row["steps_per_second"] for row in own],
      [entries.index(_entry(row)) for row in own],
      marker,
      color=colour,
      markersize=6,
      markeredgecolor=INK,
      markeredgewidth=0.4,
      label=NAMES[library],
    )
  panel.set_xscale("log")
  panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
  panel.xaxis.set_minor_formatter(NullFormatter())
  panel.set_xlabel("train steps of one seed per second (right is faster)")
  panel.tick_params(axis="y", length=0, labelcolor=INK)


def _entry(row: Row) -> tuple:
  return row["task"], row["cell"], row["seeds"]


def _label(entry: tuple) -> str:
  task, cell, seeds = entry
  return f"{TASKS[task]}, {CELLS[cell].name}, {seeds} seed{'s' * (seeds > 1)}"
