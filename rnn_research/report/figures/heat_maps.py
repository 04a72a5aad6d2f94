"""Fig. 4: the adjoint at every time step through training, and relative."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rnn_research.report import style, wording
from rnn_research.report.picture import Picture
from rnn_research.report.selection import headline_arms
from rnn_research.report.statistics import median
from rnn_research.report.study import Arm, Study

LIMITS = (
  "which weights the gradient moves, or whether the examples agree on it: these"
  " are norms per example. The left map fades for success as well as for"
  " vanishing, because |a_T| itself falls as the loss does; only the right one"
  " separates them."
)
KINDS = {"log10": "log10 |a_t|", "relative_log10": "log10 (|a_t| / |a_T|)"}
DECADES = 15


def draw(study: Study) -> Picture | None:
  """An arm a row; left the adjoint, right the adjoint relative to the last."""
  arms = [a for a in headline_arms(study) if _values(a, "log10").size]
  if not arms:
    return None
  height = 1.55 * len(arms) + 0.9
  figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
  grid = figure.subplots(len(arms), 2, sharex=True, sharey="row", squeeze=False)
  for column, kind in zip(grid.T, KINDS, strict=True):
    norm = shared_range([_values(arm, kind) for arm in arms])
    for axes, arm in zip(column, arms, strict=True):
      _map(axes, arm, kind, norm)
    column[-1].set_xlabel("training step")
    figure.colorbar(
      ScalarMappable(norm, "cividis"),
      ax=list(column),
      location="bottom",
      label=KINDS[kind],
      extend="both",
      shrink=0.8,
      aspect=40,
      pad=0.02,
    )
  for row, arm in zip(grid, arms, strict=True):
    row[0].set_title(arm.label)
    row[1].set_title("relative to the last time step", fontweight="normal")
    row[0].set_ylabel("time step")
  return Picture("heat_maps", _title(arms), figure, _caption(arms), LIMITS, tuple(arms))


def _values(arm: Arm, kind: str) -> Float[np.ndarray, "steps time"]:
  stored = arm.run.adjoint.values.get(f"{arm.run.layer}/{kind}_median")
  if stored is None:
    return np.zeros((0, 0))
  return median(np.where(np.isinf(stored), np.nan, stored), axis=1)


def shared_range(maps: list[Float[np.ndarray, "steps time"]]) -> Normalize:
  """One colour range for all arms: half decades, from 1% to 99% of values."""
  parts = [m.ravel() for m in maps if m.size]
  values = np.concatenate(parts) if parts else np.zeros(0)
  values = values[np.isfinite(values)]
  if not len(values):
    return Normalize(-1, 0)
  low, top = np.quantile(values, (0.01, 0.99))
  top = np.ceil(2 * top) / 2
  low = max(np.floor(2 * low) / 2, top - DECADES)
  return Normalize(min(low, top - 1), top)


def _map(axes: Axes, arm: Arm, kind: str, norm: Normalize) -> None:
  values = _values(arm, kind)
  axes.grid(False)
  axes.set_facecolor("#b8b8b8")
  if not values.size:
    return
  across = edges(arm.run.adjoint.steps.astype(float))
  along = np.arange(values.shape[1] + 1) + 0.5
  axes.pcolormesh(
    across,
    along,
    np.ma.masked_invalid(values.T),
    norm=norm,
    cmap="cividis",
    rasterized=True,
  )
  broken = arm.run.adjoint.values.get(f"{arm.run.layer}/nonfinite")
  if broken is not None:
    mask = np.nan_to_num(broken).mean(axis=1) >= 0.5
    _hatch(axes, across, along, mask)
  for event in event_steps(arm):
    axes.axhline(event + 1, color="white", linewidth=1, linestyle=(0, (4, 3)))
  axes.set_ylim(0.5, along[-1])


def _hatch(
  axes: Axes,
  across: Float[np.ndarray, "..."],
  along: Float[np.ndarray, "..."],
  mask: Bool[np.ndarray, "steps time"],
) -> None:
  """Hatch the marked cells, each stretch of a column as one box."""
  for left, right, column in zip(across[:-1], across[1:], mask, strict=True):
    change = np.diff(np.concatenate([[False], column, [False]]).astype(int))
    ends = zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True)
    for low, high in ends:
      corner, height = (left, along[low]), along[high] - along[low]
      axes.add_patch(
        Rectangle(
          corner,
          right - left,
          height,
          fill=False,
          linewidth=0,
          edgecolor=style.INK,
          hatch="////",
        )
      )


def edges(steps: Float[np.ndarray, "steps"]) -> Float[np.ndarray, "steps+1"]:
  """Cell borders half-way between steps; the outer cells are symmetric."""
  if len(steps) == 1:
    return np.array([steps[0] - 0.5, steps[0] + 0.5])
  inner = (steps[1:] + steps[:-1]) / 2
  first, last = 2 * steps[0] - inner[0], 2 * steps[-1] - inner[-1]
  return np.concatenate([[first], inner, [last]])


def event_steps(arm: Arm) -> list[float]:
  """Time steps of the events, counted from 0; the median over what was measured."""
  events = arm.run.adjoint.values.get("events")
  if events is None:
    return []
  flat = events.reshape(-1, events.shape[-1])
  return [float(x) for x in median(flat, axis=0) if np.isfinite(x)]


def _early(arm: Arm) -> int:
  """Index of the step that captions name: the first event, else the first."""
  events = event_steps(arm)
  return int(round(events[0])) if events else 0


def _at(arm: Arm, kind: str, when: int) -> float:
  values = _values(arm, kind)
  return float(values[when, _early(arm)]) if values.size else np.nan


def _title(arms: list[Arm]) -> str:
  parts = [
    f"{wording.number(_at(arm, 'relative_log10', 0), 1)} to"
    f" {wording.number(_at(arm, 'relative_log10', -1), 1)} in {arm.label}"
    for arm in arms
  ]
  return (
    f"The first event's relative adjoint (log10) goes from {wording.listing(parts)}"
  )


def _caption(arms: list[Arm]) -> tuple[str, ...]:
  sentences = [
    f"{arm.label}, time step {_early(arm) + 1}: log10 |a_t| from"
    f" {wording.number(_at(arm, 'log10', 0))} at step"
    f" {arm.run.adjoint.steps[0]:,} to {wording.number(_at(arm, 'log10', -1))}"
    f" at step {arm.run.adjoint.steps[-1]:,}; relative to the last time step"
    f" from {wording.number(_at(arm, 'relative_log10', 0))} to"
    f" {wording.number(_at(arm, 'relative_log10', -1))}."
    for arm in arms
  ]
  sentences.append(
    "Colour: median over seeds of the median over examples of each example's"
    " own adjoint, the same range in every row. Dashed: the problem's events"
    " (median). Grey: no value, or underflow to zero; hatched: not finite in at"
    f" least half of the seeds. Measured in {arms[0].run.layer}."
  )
  return tuple(sentences)
