"""How fast a lag gain falls, and whether one number can say so.

A log gain along data is a random walk: the residuals of a fitted line understate its
error several times over. A rate is therefore the slope between two lags, averaged
over examples; its interval comes from one value per seed.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import AnyArray, Array

AGREE = 0.25  # two halves that differ by more are not one exponential


class HalfLife(NamedTuple):
  """The lag in which half of a gradient is lost.

  Attributes:
    steps: ln 2 over the rate of [K/4, K]; NaN where no half-life exists.
    exponential: whether the rates of [K/4, K/2] and [K/2, K] agree within 25%.
  """

  steps: Float[AnyArray, ""]
  exponential: Bool[AnyArray, ""]


def rate(
  log_gain: Float[Array, "lags batch"], first: int, last: int
) -> Float[Array, ""]:
  """Mean over examples of (ln g_last - ln g_first) / (last - first), nats per step.

  Args:
    log_gain: natural logarithms, as `loss_gain` and the others return them.
    first: the smaller lag.
    last: the larger lag; examples that are shorter are left out.
  """
  slope = (log_gain[last] - log_gain[first]) / (last - first)
  return jnp.nanmean(slope)


def half_life(log_gain: Float[Array, "lags batch"], longest: int) -> HalfLife:
  """The half-life, if the curve is an exponential at all.

  Args:
    log_gain: as in `rate`.
    longest: K, at least 4.
  """
  early = rate(log_gain, longest // 4, longest // 2)
  late = rate(log_gain, longest // 2, longest)
  whole = rate(log_gain, longest // 4, longest)
  larger = jnp.maximum(jnp.abs(early), jnp.abs(late))
  exponential = jnp.abs(early - late) <= AGREE * larger
  steps = jnp.where(exponential & (whole < 0), -jnp.log(2.0) / whole, jnp.nan)
  return HalfLife(steps, exponential)
