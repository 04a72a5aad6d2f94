"""Verdict, Fig. 4: what a truncation would lose, and whether the examples agree."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style, wording
from rnn_research.report.picture import Picture
from rnn_research.report.records import Series
from rnn_research.report.verdict.ends import ends
from rnn_research.report.verdict.lags import mark_lag
from rnn_research.report.verdict.records import Diagnosis, curves

LIMITS = (
  "what training with a truncation would come to: it is one gradient, of the networks"
  " as they are, and a part that is lost may be noise. Nor anything about weights that"
  " no recurrent step lies behind."
)
ENOUGH = 0.9  # a cosine from which a direction counts as kept


def draw(found: Diagnosis) -> Picture | None:
  """Cosine and error against the steps kept on the left, coherence on the right."""
  cosine, error, coherence, noise = (
    curves(found.run, name)
    for name in ("cosine", "truncation_error", "coherence", "standard_error")
  )
  if not len(cosine.steps):
    return None
  figure = Figure(figsize=(style.WIDTH, 3.3), layout="constrained")
  left, right = figure.subplots(1, 2)
  _kept(left, found, cosine, error)
  _agreement(right, found, coherence, noise)
  return Picture(
    "truncation",
    _title(cosine),
    figure,
    _caption(found, cosine, error),
    LIMITS,
    (found.arm,),
  )


def _kept(axes: Axes, found: Diagnosis, cosine: Series, error: Series) -> None:
  looks = ends(found.arm.cell, len(cosine.values))
  for end, near, lost in zip(looks, cosine.values, error.values, strict=True):
    steps = np.arange(len(near))
    axes.plot(steps, near, color=end.colour, label=f"cosine, {end.name}")
    axes.plot(steps, lost, "--", color=end.colour, label=f"error, {end.name}")
  reach = _reach(found)
  if reach:
    axes.axvline(reach, color=style.INK, linewidth=0.8)
  axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
  axes.set_xlim(left=0)
  # An error above 1 says that what was cut off outweighed the rest.
  largest = error.values[np.isfinite(error.values)].max(initial=1)
  axes.set_ylim(-0.1, min(max(largest, 1) + 0.1, 2.1))
  axes.set_title("truncated gradient against the whole")
  axes.set_xlabel("K, steps that the gradient is sent back")
  axes.legend(loc="best")


def _agreement(axes: Axes, found: Diagnosis, coherence: Series, noise: Series) -> None:
  looks = ends(found.arm.cell, len(coherence.values))
  for end, values in zip(looks, coherence.values, strict=True):
    axes.plot(
      np.arange(len(values)),
      np.where(values > 0, values, np.nan),
      color=end.colour,
      marker=".",
      markersize=3,
      linewidth=1.2,
      label=end.name,
    )
  floor = np.nanmedian(noise.values) if np.isfinite(noise.values).any() else np.nan
  if np.isfinite(floor):
    axes.axhline(
      floor, color=style.INK, linewidth=0.9, linestyle="--", label="standard error"
    )
  mark_lag(axes, found)
  axes.set_yscale("log")
  axes.set_xlim(left=0)
  axes.set_title("coherence of the examples")
  axes.set_xlabel("lag (steps back from the last)")
  axes.set_ylabel("C_k (1: all agree)")
  axes.legend(loc="best")


def _reach(found: Diagnosis) -> int:
  return int(found.run.config.get("model", {}).get("truncate_reach") or 0)


def needed(cosine: Float[np.ndarray, "lags"]) -> float:
  """Fewest steps from which on the direction is kept; NaN if it never is."""
  # Nothing kept has no direction, and no step lies behind the last lags of some.
  low = np.flatnonzero(~(cosine >= ENOUGH) & ~np.isnan(cosine))
  if not np.isfinite(cosine).any():
    return np.nan
  return float(low[-1] + 1) if len(low) else 1.0


def _title(cosine: Series) -> str:
  ends = [wording.steps(needed(values)) for values in cosine.values]
  if len(ends) == 1:
    return f"The gradient keeps its direction from {ends[0]} steps on"
  return (
    "The recurrent gradient keeps its direction if it is sent back"
    f" {ends[0]} steps before training, {ends[-1]} at the end"
  )


def _caption(found: Diagnosis, cosine: Series, error: Series) -> tuple[str, ...]:
  whole = len(cosine.values[-1])
  tenth = min(max(whole // 10, 1), whole - 1)
  near, lost = (series.values[-1][tenth] for series in (cosine, error))
  reach = _reach(found)
  trained = (
    f" The line at {reach}: the truncation it was trained with." if reach else ""
  )
  return (
    f"At the end, {tenth} of {whole} steps give a cosine of {wording.number(near)} and"
    f" an error of {wording.number(lost)}: |what is cut off| / |all|. Its direction"
    f" counts as kept from a cosine of {ENOUGH:g} on.{trained}",
    "Of the recurrent kernel's gradient, mean over the sequences, from the loss at the"
    " last step; median over seeds. Coherence: points at or below 0 are left out.",
  )
