"""Verdict, Fig. 5: adjoint and share in the weights' gradient, by time step."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.figures.heat_maps import event_steps
from rnn_research.report.picture import Picture
from rnn_research.report.statistics import median
from rnn_research.report.verdict.records import Diagnosis

LIMITS = (
  "what the steps come to together: norms of parts do not add up, and parts that point"
  " in different directions cancel. A large share may be noise."
)
MOMENTS = 4  # of training, evenly over the logged steps


def draw(found: Diagnosis) -> Picture | None:
  """|a_t| on the left, |dW_t| on the right, at a few moments of training."""
  panels = {name: stored for name, stored in _curves(found).items() if stored.size}
  if not panels:
    return None
  figure = Figure(figsize=(style.WIDTH, 3.3), layout="constrained")
  grid = figure.subplots(1, len(panels), squeeze=False)[0]
  steps = found.run.adjoint.steps
  chosen = moments(len(steps))
  colour = style.cell_style(found.arm.cell).colour
  for axes, (name, stored) in zip(grid, panels.items(), strict=True):
    for rank, index in enumerate(chosen):
      axes.plot(
        np.arange(1, stored.shape[1] + 1),
        stored[index],
        color=colour,
        alpha=0.25 + 0.75 * (rank + 1) / len(chosen),
        linewidth=0.8 + 0.5 * rank,
        label=f"step {steps[index]:,}",
      )
    for event in event_steps(found.arm):
      axes.axvline(event + 1, color=style.INK, linewidth=0.8, linestyle=":")
    axes.set_title(name)
    axes.set_xlabel("time step")
    axes.set_xlim(1, stored.shape[1])
  grid[0].set_ylabel("log10 of the norm")
  grid[0].legend(loc="best")
  return Picture(
    "time_steps", _title(panels), figure, _caption(found), LIMITS, (found.arm,)
  )


def moments(count: int) -> list[int]:
  """Indices of the first, the last and some logged steps between them."""
  return sorted({round(x) for x in np.linspace(0, count - 1, min(MOMENTS, count))})


def _curves(found: Diagnosis) -> dict[str, Float[np.ndarray, "steps time"]]:
  layer, values = found.run.layer, found.run.adjoint.values
  names = {"|a_t| (adjoint)": f"{layer}/log10_median"}
  head = f"{layer}/weights/"
  for key in values:
    if key.startswith(head) and key.endswith("/log10_median"):
      product = key.removeprefix(head).removesuffix("/log10_median")
      names[f"|dW_t| ({product} kernel)"] = key
  empty = np.zeros((0, 0))
  return {
    name: median(values[key], axis=1) if key in values else empty
    for name, key in names.items()
  }


def _title(panels: dict[str, Float[np.ndarray, "steps time"]]) -> str:
  parts = []
  for name, stored in panels.items():
    known = stored[-1][np.isfinite(stored[-1])]
    fall = float(known[-1] - known.min()) if len(known) else np.nan
    parts.append(f"{name} by {wording.number(fall, 1)}")
  return (
    "At the end of training, from the last time step back, the norm falls at most (in"
    f" decades): {wording.listing(parts)}"
  )


def _caption(found: Diagnosis) -> tuple[str, ...]:
  dotted = "Dotted: the problem's events. " if event_steps(found.arm) else ""
  return (
    f"{dotted}Paler lines are earlier in training. A gap: no value, or nothing left.",
    "|dW_t| = |h_{t-1}| |dz_t| of each example, exactly: what one time step adds to a"
    " kernel's gradient. Of each example's own loss, median over examples and seeds.",
  )
