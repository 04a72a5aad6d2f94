"""One look for every figure: a colour, a marker and a name for each cell.

The colours are Okabe and Ito's, told apart with any colour vision; a marker or
a panel of its own always says the same as the colour.
"""

import textwrap
from typing import NamedTuple

from matplotlib import colors

from rnn_research.report.study import Arm


class CellStyle(NamedTuple):
  """How a cell is drawn and named."""

  colour: str
  marker: str
  name: str


CELLS = {
  "rnn": CellStyle("#D55E00", "o", "RNN"),
  "gru": CellStyle("#0072B2", "s", "GRU"),
  "lstm": CellStyle("#009E73", "^", "LSTM"),
}
INK = "#1a1a1a"
MUTED = "#6b6b6b"
FAINT = "#d9d9d9"
ALARM = "#CC3311"
WIDTH = 9.2

RC = {
  "font.size": 8.5,
  "axes.titlesize": 9,
  "axes.titleweight": "bold",
  "axes.titlelocation": "left",
  "axes.labelsize": 8.5,
  "axes.edgecolor": MUTED,
  "axes.labelcolor": INK,
  "axes.linewidth": 0.7,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.grid": True,
  "grid.color": "#ececec",
  "grid.linewidth": 0.6,
  "xtick.color": MUTED,
  "ytick.color": MUTED,
  "xtick.labelcolor": INK,
  "ytick.labelcolor": INK,
  "xtick.labelsize": 8,
  "ytick.labelsize": 8,
  "legend.fontsize": 8,
  "legend.frameon": False,
  "lines.linewidth": 1.6,
  "figure.facecolor": "white",
  "savefig.facecolor": "white",
  "hatch.linewidth": 0.6,
  # text stays text: searchable, and sharp at any zoom
  "svg.fonttype": "none",
  "svg.hashsalt": "rnn_research",
}


def cell_style(cell: str) -> CellStyle:
  """The look of a cell; a cell of the reader's own is grey."""
  return CELLS.get(cell, CellStyle("#555555", "D", cell or "cell"))


def cell_name(arm: Arm) -> str:
  """What a cell is called; an RNN with its activation, tanh unless set."""
  look = cell_style(arm.cell)
  if arm.cell != "rnn":
    return look.name
  options = arm.run.config.get("model", {}) if arm.run else {}
  activation = (options.get("cell_options") or {}).get("activation")
  return f"{activation or 'tanh'} {look.name}"


def wrapped(label: str, panels: int) -> str:
  """A label in lines that fit above one of several panels side by side."""
  return textwrap.fill(label, 100 // max(panels, 1))


def shade(arm: Arm, family: list[Arm]) -> tuple[float, float, float]:
  """The cell's colour, lighter the smaller the knob is within its family."""
  colour = colors.to_rgb(cell_style(arm.cell).colour)
  values = sorted({a.value for a in family if a.value is not None})
  if arm.value is None or len(values) < 2:
    return colour
  light = 0.6 * (1 - values.index(arm.value) / (len(values) - 1))
  red, green, blue = (c + (1 - c) * light for c in colour)
  return red, green, blue
