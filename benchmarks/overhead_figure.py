"""What each diagnostic adds to a train step."""

import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks.figure import canvas
from rnn_research.report.style import CELLS

SIZE = (6.2, 3.4)
LIMITS = {"10%, asked of every step": 10, "3%, asked of training as shipped": 3}


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: percent on top of the bare step, a line of marks a variant."""
  rows = [row for row in rows if row["variant"] not in ("bare", "gradient")]
  variants = list(dict.fromkeys(row["variant"] for row in rows))
  cells = list(dict.fromkeys(row["cell"] for row in rows))
  with canvas(path, SIZE) as (_, (panel,)):
    for number, cell in enumerate(cells):
      style = CELLS[cell]
      own = [row for row in rows if row["cell"] == cell]
      panel.plot(
        [100 * row["share"] for row in own],
        [
          variants.index(row["variant"]) + 0.2 * (number - (len(cells) - 1) / 2)
          for row in own
        ],
        linestyle="none",
        color=style.colour,
        marker=style.marker,
        label=style.name,
      )
    for (text, limit), dashes in zip(LIMITS.items(), ("--", ":"), strict=True):
      panel.axvline(limit, color="0.4", linestyle=dashes, linewidth=1, label=text)
    panel.set_yticks(range(len(variants)), variants)
    panel.invert_yaxis()
    panel.set_xlabel("added to the time of a train step, %")
    panel.legend(fontsize="small")
