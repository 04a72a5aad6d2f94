"""Fig. 2: seeds that solve the task against the gain before training."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.gains import first_event_gain
from rnn_research.report.outcomes import Outcome, outcome
from rnn_research.report.picture import Picture
from rnn_research.report.selection import families, with_runs
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study

LIMITS = (
  "that the gain before training decides alone: it does not order different"
  " cells, and a knob changes more than the gain (the size of the state and of"
  " every other gradient, too). The rates hold for this length, budget and"
  " learning rate."
)


def draw(study: Study) -> Picture | None:
  """One marker per arm, a line through arms that differ in one knob."""
  threshold = study.thresholds["solved_error"]
  results = {
    arm.name: outcome(arm.run, threshold) for arm in with_runs(study, "synthetic")
  }
  arms = _told_apart(
    [arm for arm in with_runs(study, "synthetic") if _shown(arm, results)]
  )
  tasks = sorted({_task(arm) for arm in arms})
  if all(sum(_task(arm) == task for arm in arms) < 2 for task in tasks):
    return None
  figure = Figure(figsize=(style.WIDTH, 4.0), layout="constrained")
  grid = figure.subplots(1, len(tasks), sharex=True, sharey=True, squeeze=False)
  for axes, task in zip(grid.flat, tasks, strict=True):
    here = [arm for arm in arms if _task(arm) == task]
    for family in families(here):
      _family(axes, family, results)
    axes.set_title(f"{task[0].replace('_', ' ')}, T = {task[1]}")
    axes.set_ylim(-0.04, 1.06)
    axes.set_yticks(np.linspace(0, 1, 6), [f"{x}%" for x in range(0, 101, 20)])
    axes.set_xlabel("log10 gain at the first event, before training")
    axes.margins(x=0.08)
  grid[0, 0].set_ylabel("seeds that solve the task at the end")
  entries = {
    label: handle
    for axes in grid.flat
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
  }
  figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=4)
  return Picture(
    "dose_response",
    _title(arms, results),
    figure,
    _caption(arms, results),
    LIMITS,
    tuple(arms),
  )


def _task(arm: Arm) -> tuple[str, int]:
  return arm.problem, arm.length or 0


def _told_apart(arms: list[Arm]) -> list[Arm]:
  """All arms with a knob, and the first of each cell that has none.

  The others would carry the name of the cell alone and lie on each other, as ways of
  clipping do that start from the same weights: the table of arms has them all.
  """
  turned = {(*_task(arm), arm.cell) for arm in arms if arm.knob is not None}
  first = {(*_task(a), a.cell): a.name for a in reversed(arms) if a.knob is None}
  plain = {name for key, name in first.items() if key not in turned}
  return [arm for arm in arms if arm.knob is not None or arm.name in plain]


def _shown(arm: Arm, results: dict[str, Outcome]) -> bool:
  start = first_event_gain(arm.run).start
  return results[arm.name].count > 0 and bool(np.isfinite(start).any())


def _family(axes: Axes, family: list[Arm], results: dict[str, Outcome]) -> None:
  look = style.cell_style(family[0].cell)
  gains = [first_event_gain(arm.run).start for arm in family]
  gains = [gain[np.isfinite(gain)] for gain in gains]
  means = np.array([gain.mean() for gain in gains])
  spread = np.array(
    [[m - g.min(), g.max() - m] for m, g in zip(means, gains, strict=True)]
  )
  rates, bars = [], []
  for arm in family:
    result = results[arm.name]
    rate = result.wins / result.count
    low, high = result.wilson
    rates.append(rate)
    bars.append((max(rate - low, 0.0), max(high - rate, 0.0)))
  knob = family[0].knob
  alone = len(family) == 1 and family[0].value not in (None, 1.0)
  name = style.cell_name(family[0])
  label = name if knob is None else f"{name}, {knob.replace('_', ' ')}"
  axes.errorbar(
    means,
    rates,
    xerr=spread.T,
    yerr=np.array(bars).T,
    color=look.colour,
    marker=look.marker,
    markersize=7,
    # open: a knob turned once, away from the cell's default
    markerfacecolor="white" if alone else look.colour,
    linewidth=1.4 if knob else 0,
    elinewidth=0.9,
    capsize=2,
    label=label,
  )
  for arm, mean, rate in zip(family, means, rates, strict=True):
    if arm.value is None:
      continue
    axes.annotate(
      _mark(arm),
      (mean, rate),
      xytext=(7, -12 if rate > 0.05 else 6),
      textcoords="offset points",
      color=look.colour,
      fontsize=8,
      fontweight="bold",
    )


def _mark(arm: Arm) -> str:
  """The knob's value; scales and gains are factors."""
  factor = (arm.knob or "").endswith(("scale", "gain"))
  return f"{'×' if factor else ''}{arm.value:g}"


def _start(arm: Arm) -> float:
  return mean_interval(first_event_gain(arm.run).start).mean


def _title(arms: list[Arm], results: dict[str, Outcome]) -> str:
  turned = [family for family in families(arms) if len(family) > 1]
  if not turned:
    parts = [f"{a.label} {_tally(a, results)}" for a in arms]
    return f"Solved at the end: {wording.listing(parts)}"

  def told(family: list[Arm]) -> tuple[int, int]:
    wins = [results[arm.name].wins for arm in family]
    return len(family), max(wins) - min(wins)

  family = sorted(max(turned, key=told), key=_start)
  low, high = family[0], family[-1]
  name = style.cell_name(low)
  return (
    f"Turning one knob moves the {name}'s gain before training from"
    f" {wording.number(_start(low), 1)} to {wording.number(_start(high), 1)}"
    f" and its solved seeds from {_tally(low, results)} to"
    f" {_tally(high, results)}"
  )


def _tally(arm: Arm, results: dict[str, Outcome]) -> str:
  return f"{results[arm.name].wins} of {results[arm.name].count}"


def contrast(arms: list[Arm], results: dict[str, Outcome]) -> list[str]:
  """What the arms say on whether the gain before training ranks cells.

  One sentence per length with a tanh RNN and a GRU, both without a turned knob; the
  first of each, where there are several.
  """
  sentences = []
  plain = [arm for arm in arms if arm.value in (None, 1.0)]
  first = {(_task(arm), arm.cell): arm for arm in reversed(plain)}
  for task in dict.fromkeys(map(_task, plain)):
    rnn, gru = first.get((task, "rnn")), first.get((task, "gru"))
    if rnn is not None and gru is not None:
      smaller = _start(gru) < _start(rnn)
      rates = [results[a.name].wins / results[a.name].count for a in (gru, rnn)]
      more = "more" if rates[0] > rates[1] else "no more"
      joint = "and yet" if smaller == (rates[0] > rates[1]) else "and"
      sentences.append(
        f"The GRU starts with a {'smaller' if smaller else 'larger'} gain than"
        f" the tanh RNN ({wording.number(_start(gru))} against"
        f" {wording.number(_start(rnn))} at T = {gru.length}) {joint} solves"
        f" the task {more} often ({_tally(gru, results)} against"
        f" {_tally(rnn, results)} seeds)."
      )
  return sentences


def _caption(arms: list[Arm], results: dict[str, Outcome]) -> tuple[str, ...]:
  sentences = contrast(arms, results)
  for task in sorted({_task(arm) for arm in arms}):
    here = [arm for arm in arms if _task(arm) == task]
    parts = []
    for arm in here:
      low, high = map(wording.percent, results[arm.name].wilson)
      parts.append(
        f"{arm.label}: {wording.number(_start(arm))}, solved"
        f" {_tally(arm, results)} ({low} to {high})"
      )
    sentences.append(f"Gains at T = {task[1]}, {'; '.join(parts)}.")
  sentences.append(
    "Markers are means over seeds; horizontal bars reach from the smallest to"
    " the largest seed, vertical bars are the 95% Wilson interval. A line joins"
    " arms that differ only in the value written beside the marker;"
    " an open marker is a knob turned once."
  )
  return tuple(sentences)
