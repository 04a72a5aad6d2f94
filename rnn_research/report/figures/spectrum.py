"""Fig. 7: Lyapunov exponents before training and at the end."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.figures.rates import (
  BEFORE,
  NOW,
  exponents,
  has_exponents,
  pascanu,
  predicted,
)
from rnn_research.report.picture import Picture
from rnn_research.report.selection import default_arm, headline_arms
from rnn_research.report.study import Arm, Study

LIMITS = (
  "growth that does not last: exponents are averages over many steps, and a"
  " gradient can rise for some of them though all exponents are negative. Nor what a"
  " network holds: an exponent above 0 is a gradient that explodes, not a memory."
)


def draw(study: Study) -> Picture | None:
  """A panel a cell: exponent against its place in the spectrum."""
  arms = _arms(study)
  if not arms:
    return None
  figure = Figure(figsize=(style.WIDTH, 3.6), layout="constrained")
  grid = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
  for axes, arm in zip(grid, arms, strict=True):
    _spectrum(axes, arm)
    axes.set_title(style.wrapped(arm.label, len(arms)))
    axes.set_xlabel("index / size of the state")
    axes.set_xlim(left=0)
  grid[0].set_ylabel("exponent (nats per step)")
  entries = {
    label: handle
    for axes in grid
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
  }
  figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=4)
  return Picture("spectrum", _title(arms), figure, _caption(arms), LIMITS, tuple(arms))


def _arms(study: Study) -> list[Arm]:
  shown = [arm for arm in headline_arms(study) if has_exponents(arm)]
  cells = {arm.cell: None for arm in shown}
  return [default_arm([a for a in shown if a.cell == c]) for c in cells]


def _spectrum(axes: Axes, arm: Arm) -> None:
  look = style.cell_style(arm.cell)
  size = arm.run.exponents.values[f"{arm.run.layer}/size"].flat[0]
  for when, fill, label in (
    (BEFORE, "white", "before training"),
    (NOW, look.colour, "at the last step"),
  ):
    values = exponents(arm, when)
    places = np.arange(1, len(values) + 1) / size
    axes.plot(
      places,
      values,
      color=look.colour,
      linestyle=":" if when == BEFORE else "-",
      marker=look.marker,
      markersize=4,
      markerfacecolor=fill,
      label=label,
    )
  axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
  for value, dashes, label in (
    (predicted(arm, BEFORE), "--", "mean field, before training"),
    (pascanu(arm, BEFORE), "-.", "ln σ_max, before training"),
  ):
    if np.isfinite(value):
      axes.axhline(value, color=style.INK, linewidth=0.9, linestyle=dashes, label=label)


def _title(arms: list[Arm]) -> str:
  parts = [
    f"{wording.number(exponents(arm, BEFORE)[0], 3)} to"
    f" {wording.number(exponents(arm, NOW)[0], 3)} ({arm.label})"
    for arm in arms
  ]
  return f"Largest exponent, before training to last: {wording.listing(parts)}"


def _caption(arms: list[Arm]) -> tuple[str, ...]:
  sentences = []
  for arm in arms:
    first, last = exponents(arm, BEFORE), exponents(arm, NOW)
    text = (
      f"{arm.label}: exponents 1 to {len(first)} from {wording.number(first[0], 3)} to"
      f" {wording.number(first[-1], 3)} before training, from"
      f" {wording.number(last[0], 3)} to {wording.number(last[-1], 3)} at step"
      f" {int(arm.run.exponents.steps[NOW]):,}"
    )
    lines = (predicted(arm, BEFORE), "mean field"), (pascanu(arm, BEFORE), "ln σ_max")
    for value, name in lines:
      if np.isfinite(value):
        text += f"; {name} {wording.number(value, 3)}"
    sentences.append(text + ".")
  sentences.append(
    "Conditional exponents of the full carry along the network's own trajectory, in"
    f" {arms[0].run.layer}; median over seeds of the mean over examples. Mean field:"
    " half of ln χ, the slope of the rms curve in a wide network of independent"
    " weights. ln σ_max: no exponent of a tanh or relu network lies above it (Pascanu"
    " et al. 2013)."
  )
  return tuple(sentences)
