"""Verdict, Fig. 6: saturated gates through training, and how long units keep."""

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rnn_research.report import style, wording
from rnn_research.report.picture import Picture
from rnn_research.report.records import Series
from rnn_research.report.statistics import median
from rnn_research.report.verdict.ends import ends
from rnn_research.report.verdict.records import Diagnosis, pooled

LIMITS = (
  "whether a saturated gate does harm: a forget gate that is high keeps, a candidate"
  " that is saturated passes next to no gradient. Time scales are those of the direct"
  " part alone: the recurrent weights may hold longer, or less long."
)
# Okabe and Ito's; a gate's place is in the legend's order, too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
LONGEST = 1e4  # steps: what keeps for longer is drawn here


def draw(found: Diagnosis) -> Picture | None:
  """Shares at either end of each gate's range; units by their time scale."""
  shares = _shares(found)
  if not shares:
    return None
  scales = pooled(found.run, "time_scale")
  panels = 2 if scales else 1
  figure = Figure(figsize=(style.WIDTH, 3.5), layout="constrained")
  grid = figure.subplots(1, panels, squeeze=False)[0]
  _saturated(grid[0], shares, found)
  if scales:
    _units(grid[1], scales, found)
  return Picture(
    "gates",
    _title(shares),
    figure,
    _caption(shares, scales),
    LIMITS,
    (found.arm,),
  )


def _shares(found: Diagnosis) -> dict[str, tuple[Series, Series]]:
  """Of each gate the shares of its units that are low, and high, through training."""
  head = f"saturation/{found.run.layer}/"
  names = dict.fromkeys(
    key.removeprefix(head).rpartition("/")[0]
    for key in found.run.series
    if key.startswith(head)
  )
  return {
    name: tuple(found.run.get(f"{head}{name}/{end}") for end in ("low", "high"))
    for name in names
  }


def _saturated(axes: Axes, shares: dict, found: Diagnosis) -> None:
  for colour, (name, sides) in zip(cycle(COLOURS), shares.items(), strict=False):
    for series, dashes, side in zip(sides, ("--", "-"), ("low", "high"), strict=True):
      axes.plot(
        series.steps,
        100 * median(series.values, axis=1),
        color=colour,
        linestyle=dashes,
        linewidth=1.3,
        label=f"{name}, {side}",
      )
  axes.set_ylim(0, None)
  axes.set_xlim(0, max(found.run.steps, 1))
  axes.set_title("saturated units, by gate")
  axes.set_xlabel("training step")
  axes.set_ylabel("% of units, steps and examples")
  # Under the panels: of four gates it would cover some.
  axes.figure.legend(loc="outside lower left", ncols=4)


def _units(axes: Axes, scales: list, found: Diagnosis) -> None:
  looks = ends(found.arm.cell, len(scales))
  for end, (_, values) in zip(looks, scales, strict=True):
    known = np.sort(np.minimum(values[~np.isnan(values)], LONGEST))
    axes.plot(
      (np.arange(len(known)) + 0.5) / max(len(known), 1),
      known,
      color=end.colour,
      linestyle=end.linestyle,
      label=end.name,
    )
  if np.isfinite(found.gain.lag):
    axes.axhline(found.gain.lag, color=style.INK, linewidth=0.8, linestyle=":")
  axes.set_yscale("log")
  axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
  axes.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
  axes.yaxis.set_minor_formatter(NullFormatter())
  axes.set_xlim(0, 1)
  axes.set_title("time scale of the units")
  axes.set_xlabel("share of units (all seeds) that keep for less")
  axes.set_ylabel("steps")
  axes.legend(loc="best")


def _title(shares: dict[str, tuple[Series, Series]]) -> str:
  parts = []
  for name, sides in shares.items():
    total = sum(median(series.values[-1:], axis=1)[0] for series in sides)
    parts.append(f"{name} {wording.percent(float(total))}")
  return f"Saturated at the end of training: {wording.listing(parts)}"


def _caption(shares: dict, scales: list) -> tuple[str, ...]:
  how = (
    "Low and high: a sigmoid below 0.1 and above 0.9, a tanh below −0.95 and above"
    " 0.95; over the batch of each logged step, median over seeds."
  )
  if not scales:
    return (
      "This cell keeps nothing directly, without its recurrent weights: no time scale.",
      how,
    )
  texts = [
    f"{wording.quantity(float(np.nanmedian(values)))} steps at step {step:,}"
    f" (longest {wording.quantity(float(np.nanmax(values)))})"
    for step, values in scales
  ]
  beyond = int((scales[-1][1] > LONGEST).sum())
  more = f" {wording.plural(beyond, 'unit')} beyond {LONGEST:,.0f}." if beyond else ""
  return (
    f"Median time scale: {wording.listing(texts)}.{more} −1 / mean ln r of a unit's"
    " retention r, what is left of its memory after one step with all recurrent"
    " products held fixed. Dotted: the task's lag.",
    how,
  )
