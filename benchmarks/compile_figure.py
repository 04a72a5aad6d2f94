"""Time to compile against the length of the sequence."""

import pathlib
from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import NullFormatter

from benchmarks.figure import canvas
from rnn_research.report.style import CELLS

SIZE = (4.6, 3.2)


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: a line a cell, from zero."""
  with canvas(path, SIZE) as (_, (panel,)):
    for cell in dict.fromkeys(row["cell"] for row in rows):
      own = [row for row in rows if row["cell"] == cell]
      style = CELLS[cell]
      panel.plot(
        [row["time"] for row in own],
        [row["seconds"] for row in own],
        color=style.colour,
        marker=style.marker,
        label=style.name,
      )
    panel.set_xscale("log")
    lengths = sorted({row["time"] for row in rows})
    panel.set_xticks(lengths, [f"{length:,}" for length in lengths])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_ylim(bottom=0)
    panel.set_xlabel("time steps")
    panel.set_ylabel("tracing and compiling a gradient, s")
    panel.legend()
