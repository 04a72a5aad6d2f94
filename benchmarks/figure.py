"""The ratios of all entries, one panel a setting."""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.tables import TITLES, groups, label
from benchmarks.team import PEERS
from rnn_research.report.style import INK, MUTED, RC

# Okabe and Ito's colours; a marker says the same.
STYLES = {
  "linen": ("#E69F00", "o"),
  "nnx": ("#56B4E9", "s"),
  "haiku": ("#009E73", "^"),
  "equinox": ("#CC79A7", "D"),
  "keras": ("#0072B2", "v"),
  "torch": ("#D55E00", "X"),
}
LINE = 0.2  # inches
MARGIN = 1.5


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Writes an SVG: ours / library on a log axis, a line an entry.

  Args:
    rows: of all settings.
    path: of the file.
  """
  settings = list(dict.fromkeys(row["setting"] for row in rows))
  by_setting = {s: groups([r for r in rows if r["setting"] == s]) for s in settings}
  entries = [label(key) for key in by_setting[settings[0]]]
  height = MARGIN + LINE * len(entries)
  with canvas(path, (3 + 4 * len(settings), height), len(settings), sharey=True) as (
    figure,
    panels,
  ):
    for panel, setting in zip(panels, settings, strict=True):
      _panel(panel, by_setting[setting])
      panel.set_title(TITLES[setting])
    panels[0].set_yticks(range(len(entries)), entries)
    panels[0].set_ylim(len(entries) - 0.5, -0.5)
    handles = {}
    for panel in panels:
      marks, names = panel.get_legend_handles_labels()
      handles |= dict(zip(names, marks, strict=True))
    figure.legend(
      handles.values(), handles, loc="outside lower center", ncols=len(handles)
    )


@contextlib.contextmanager
def canvas(
  path: pathlib.Path,
  size: tuple[float, float],
  panels: int = 1,
  sharey: bool | str = False,
  sharex: bool = True,
  lines: int = 1,
) -> Iterator[tuple[Any, Any]]:
  """A figure and its panels, line by line, written as an SVG when the block ends.

  Args:
    path: of the file.
    size: inches.
    panels: how many in a line.
    sharey: they share the y axis; "row" for those of a line.
    sharex: all panels share the x axis.
    lines: of panels.
  """
  look = RC | {"svg.fonttype": "none", "svg.hashsalt": "rnn_research"}
  with matplotlib.rc_context(look):
    figure, axes = plt.subplots(
      lines,
      panels,
      figsize=size,
      sharex=sharex,
      sharey=sharey,
      squeeze=False,
      layout="constrained",
    )
    try:
      yield figure, axes.ravel()
      figure.savefig(path, metadata={"Date": None})
    finally:
      plt.close(figure)


def _panel(panel, entries) -> None:
  for peer in PEERS:
    places, middles, errors = [], [], []
    for place, libraries in enumerate(entries.values()):
      if peer in libraries:
        row = libraries[peer]
        places.append(place)
        middles.append(row["ratio"])
        errors.append(
          (row["ratio"] - row["ratio_low"], row["ratio_high"] - row["ratio"])
        )
    if places:
      colour, marker = STYLES[peer]
      panel.errorbar(
        middles,
        places,
        xerr=list(zip(*errors, strict=True)),
        fmt=marker,
        color=colour,
        markersize=4,
        markeredgecolor=INK,
        markeredgewidth=0.3,
        elinewidth=0.9,
        label=peer,
      )
  panel.axvline(1, color=INK, linewidth=0.9)
  panel.set_xscale("log")
  panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
  panel.xaxis.set_minor_formatter(NullFormatter())
  panel.set_xlabel("ours / library (95% interval); left of 1 ours is faster")
  panel.tick_params(axis="y", length=0, colors=MUTED, labelcolor=INK)
