"""The gain at the first event: at the start, at its largest and at the end."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rnn_research.report import wording
from rnn_research.report.records import Run, Series
from rnn_research.report.statistics import Interval, mean_interval, median


class Gain(NamedTuple):
  """log10 of the loss gain at the lag that the problem asks for.

  The loss gain of lag k is |P_k' a| / |a| with a the adjoint of the last valid
  state and P_k the product of the k last Jacobians; each value is the median
  over examples of one seed.

  Minus infinity: nothing at all is left, for most examples of the seed.

  Attributes:
    series: by train step.
    place: where it is measured, in words.
    lag: steps between there and the last valid one (median); NaN if unknown.
    known: is it at the problem's first event? Else it is at the largest lag.
  """

  series: Series
  place: str
  lag: float
  known: bool

  @property
  def drawn(self) -> Series:
    """The series as an axis can show it: NaN where nothing is left."""
    steps, values = self.series
    return Series(steps, np.where(np.isfinite(values), values, np.nan))

  @property
  def start(self) -> Float[np.ndarray, "seeds"]:
    """Before training; all NaN if it was not measured at step 0."""
    steps, values = self.series
    if len(steps) and steps[0] == 0:
      return values[0]
    return np.full(values.shape[1], np.nan)

  @property
  def largest(self) -> Float[np.ndarray, "seeds"]:
    """The largest on record for each seed."""
    return largest(self.series.values)

  @property
  def end(self) -> Float[np.ndarray, "seeds"]:
    """At the last measurement."""
    values = self.series.values
    return values[-1] if len(values) else np.full(values.shape[1], np.nan)


def first_event_gain(run: Run) -> Gain:
  """The gain at event 0, or at the largest lag where no events are known."""
  layer = run.layer
  event = run.get(f"lag/{layer}/loss/event_0")
  if len(event.steps):
    lags = run.lag.values.get("event_lags")
    lag = float(median(lags[..., 0].ravel(), 0)) if lags is not None else np.nan
    return Gain(event, "the first event", lag, True)
  curve = run.lag.values.get(f"{layer}/loss_median")
  lag = float(curve.shape[-1] - 1) if curve is not None else np.nan
  series = run.get(f"lag/{layer}/loss/log10")
  return Gain(series, "the largest lag", lag, False)


def largest(values: Float[np.ndarray, "times seeds"]) -> Float[np.ndarray, "seeds"]:
  """The largest of each seed that isn't NaN."""
  top = np.where(np.isnan(values), -np.inf, values).max(0, initial=-np.inf)
  return np.where(np.isnan(values).all(0), np.nan, top)


def nothing_left(values: Float[np.ndarray, "seeds"]) -> str:
  """In how many seeds nothing is left, which no mean can count; "" for none."""
  lost = int(np.isneginf(values).sum())
  return f"nothing left in {lost} of {wording.plural(len(values), 'seed')}" * bool(lost)


def verdict(values: Float[np.ndarray, "seeds"], decades: float) -> str:
  """What the 95% interval over seeds says of a gain.

  `fades` below -decades, `blows up` above +decades, `passes` inside, else
  `undetermined`; `no value` without two seeds. Where some seeds have nothing left, it
  fades if it does in the others, and is undetermined if not.
  """
  word = _of_interval(values, decades)
  lost = np.isneginf(values)
  if not lost.any() or lost.sum() + np.isfinite(values).sum() < 2:
    return word
  return "fades" if word == "fades" or lost[~np.isnan(values)].all() else "undetermined"


def _of_interval(values, decades):
  interval: Interval = mean_interval(values)
  if np.isnan(interval.low):
    return "no value"
  if interval.high < -decades:
    return "fades"
  if interval.low > decades:
    return "blows up"
  if interval.low > -decades and interval.high < decades:
    return "passes"
  return "undetermined"
