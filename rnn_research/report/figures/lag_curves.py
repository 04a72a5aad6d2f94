"""Fig. 3: gain against lag, before training and at the end."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnn_research.report import style, wording
from rnn_research.report.figures.rates import (
  BEFORE,
  NOW,
  largest,
  pascanu,
  predicted,
)
from rnn_research.report.gains import first_event_gain
from rnn_research.report.picture import Picture
from rnn_research.report.selection import default_arm, headline_arms
from rnn_research.report.statistics import mean_interval, median
from rnn_research.report.study import Arm, Study

LIMITS = (
  "what the state still holds: a gradient can be small where a memory is"
  " intact. The bands are examples, not uncertainty over seeds; the sup gain is a"
  " lower bound, and what a most favoured direction keeps says nothing of the loss's."
)
CURVES = {"loss": "loss curve", "rms": "rms curve", "path": "path curve"}
SUP = "sup gain (hollow)"
# Straight lines beside the rms curves, in the cell's colour.
RATES = (
  (largest, "--", "λ1 x lag"),
  (predicted, "-.", "mean field x lag"),
  (pascanu, ":", "ln σ_max x lag"),
)
HOLLOW = {"linestyle": "none", "markerfacecolor": "white", "markersize": 6}


def draw(study: Study) -> Picture | None:
  """Rows: loss, rms and path curve; columns: first and last measurement."""
  arms = _arms(study)
  if not arms:
    return None
  curves = [name for name in CURVES if any(_has(arm, name) for arm in arms)]
  figure = Figure(figsize=(style.WIDTH, 0.6 + 2.4 * len(curves)), layout="constrained")
  # A path can end a hundred decades below the other two, which share a scale.
  grid = figure.subplots(len(curves), 2, sharex=True, sharey="row", squeeze=False)
  for row, curve in zip(grid, curves, strict=True):
    if curve == "rms":
      row[0].sharey(grid[0, 0])
    for axes, when in zip(row, (0, -1), strict=True):
      for arm in arms:
        _curve(axes, arm, curve, when)
        if curve == "rms":
          _sup(axes, arm, when)
      _events(axes, arms, when)
      axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
    row[0].set_ylabel(f"log10 gain, {CURVES[curve]}")
  if "rms" in curves:
    _rates(grid[curves.index("rms")], arms)
  for axes, when in zip(grid[0], (0, -1), strict=True):
    axes.set_title(_when(arms, when))
  for axes in grid[-1]:
    axes.set_xlabel("lag (steps back from the last valid step)")
    axes.set_xlim(left=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
  handles, labels = grid[0, 0].get_legend_handles_labels()
  if any(_has(arm, "sup") for arm in arms):
    handles.append(Line2D([], [], **HOLLOW, color=style.INK, marker="D"))
    labels.append(SUP)
  for rate, dashes, name in RATES:
    if np.isfinite([rate(arm, BEFORE) for arm in arms]).any():
      handles.append(Line2D([], [], color=style.INK, linestyle=dashes, linewidth=1))
      labels.append(name)
  figure.legend(handles, labels, loc="outside upper center", ncols=len(arms) + 2)
  return Picture(
    "lag_curves",
    _title(arms),
    figure,
    _caption(arms),
    LIMITS,
    tuple(arms),
  )


def _has(arm: Arm, name: str) -> bool:
  return f"{arm.run.layer}/{name}_median" in arm.run.lag.values


def _arms(study: Study) -> list[Arm]:
  shown = [arm for arm in headline_arms(study) if _has(arm, "loss")]
  cells = {arm.cell: None for arm in shown}
  return [default_arm([a for a in shown if a.cell == c]) for c in cells]


def middle(arm: Arm, name: str, when: int) -> np.ndarray:
  """Median over seeds of one stored curve at a measurement, by lag."""
  values = arm.run.lag.values.get(f"{arm.run.layer}/{name}")
  if values is None:
    return np.zeros(0)
  return median(np.where(np.isinf(values[when]), np.nan, values[when]), axis=0)


def _curve(axes: Axes, arm: Arm, curve: str, when: int) -> None:
  look = style.cell_style(arm.cell)
  line = middle(arm, f"{curve}_median", when)
  lags = np.arange(len(line))
  low = middle(arm, f"{curve}_q10", when)
  high = middle(arm, f"{curve}_q90", when)
  if len(low) == len(high) == len(line):
    axes.fill_between(lags, low, high, color=look.colour, alpha=0.15, linewidth=0)
  axes.plot(
    lags,
    line,
    color=look.colour,
    marker=look.marker,
    markevery=max(len(line) // 8, 1),
    markersize=4,
    label=arm.label,
  )


def _sup(axes: Axes, arm: Arm, when: int) -> None:
  """A hollow marker at each lag that the sup gain is known at."""
  look = style.cell_style(arm.cell)
  gain, lags = (middle(arm, f"sup_{name}", when) for name in ("median", "lags"))
  axes.plot(lags, gain, **HOLLOW, color=look.colour, marker=look.marker, zorder=3)


def _rates(row: np.ndarray, arms: list[Arm]) -> None:
  """What each rate per step comes to by lag, within the scale of the curves."""
  scale = row[0].get_ylim()
  for axes, when in zip(row, (BEFORE, NOW), strict=True):
    for arm in arms:
      lags = np.arange(len(middle(arm, "rms_median", when)))
      for rate, dashes, _ in RATES:
        axes.plot(
          lags,
          rate(arm, when) * lags / np.log(10),
          dashes,
          color=style.cell_style(arm.cell).colour,
          linewidth=1,
        )
  row[0].set_ylim(scale)


def _events(axes: Axes, arms: list[Arm], when: int) -> None:
  spans = [
    arm.run.lag.values["event_lags"][when]
    for arm in arms
    if "event_lags" in arm.run.lag.values
  ]
  if not spans:
    return
  lags = np.concatenate(spans)
  for event in range(lags.shape[1]):
    known = lags[np.isfinite(lags[:, event]), event]
    if not len(known):
      continue
    ends = known.min() - 0.5, known.max() + 0.5
    label = "event lags" if event == 0 else None
    axes.axvspan(*ends, color="#bdbdbd", alpha=0.5, linewidth=0, label=label)


def _when(arms: list[Arm], when: int) -> str:
  steps = sorted({int(arm.run.lag.steps[when]) for arm in arms})
  if steps == [0]:
    return "Before training"
  return f"At step {wording.listing([f'{step:,}' for step in steps])}"


def _depth(arm: Arm, when: int) -> tuple[int, float]:
  """The lag of the first event (else the largest lag) and the gain there."""
  line = middle(arm, "loss_median", when)
  events = arm.run.lag.values.get("event_lags")
  lag = len(line) - 1
  if events is not None and np.isfinite(events[when, :, 0]).any():
    lag = min(round(float(np.nanmedian(events[when, :, 0]))), lag)
  return lag, float(line[lag])


def _title(arms: list[Arm]) -> str:
  gains = [first_event_gain(arm.run) for arm in arms]
  means = [mean_interval(gain.start).mean for gain in gains]
  lags = {round(gain.lag) for gain in gains if np.isfinite(gain.lag)}
  if not np.isfinite(means).any():
    return "Gain by lag, at the first and the last measurement"
  parts = [
    f"{wording.portion(mean)} ({arm.label})"
    for arm, mean in zip(arms, means, strict=True)
  ]
  left = "are left" if len(parts) > 1 else "is left"
  where = f"{wording.listing([str(lag) for lag in sorted(lags)])} steps back"
  return f"Before training, {where}, {wording.listing(parts)} of the gradient {left}"


def _caption(arms: list[Arm]) -> tuple[str, ...]:
  sentences = []
  for arm in arms:
    lag, first = _depth(arm, 0)
    _, last = _depth(arm, -1)
    others = []
    for name in list(CURVES)[1:]:
      lines = [middle(arm, f"{name}_median", when) for when in (0, -1)]
      at = [wording.number(x[lag] if len(x) > lag else np.nan) for x in lines]
      if _has(arm, name):
        others.append(f"; {CURVES[name]} {at[0]} and {at[1]}")
    sentences.append(
      f"{arm.label} at lag {lag}: loss curve {wording.number(first)} at the"
      f" first measurement, {wording.number(last)} at the last{''.join(others)}."
    )
  sentences.append(
    "The title's numbers are the means over seeds of Table 1, taken at each"
    " example's own first event. Lines: median over seeds of the median over"
    " examples; bands: 10% to 90% of the examples (median over seeds). Measured"
    f" in {arms[0].run.layer}, on the full carry. Shaded lags: where the"
    " problem's events lie (range over seeds of the median example). A path curve"
    " that is missing, as a tanh RNN's, is of a cell that has no direct path."
  )
  if any(np.isfinite(rate(arm, BEFORE)) for arm in arms for rate, *_ in RATES):
    sentences.append(
      "Straight lines: what a rate per step comes to. λ1, the largest Lyapunov"
      " exponent, is what every slope tends to at long lags; the mean field predicts"
      " the rms curve of a wide tanh network; above ln σ_max no gain of one can rise"
      " (Pascanu et al. 2013)."
    )
  return tuple(sentences)
