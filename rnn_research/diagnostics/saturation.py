"""How much of each gate is saturated, read where the gates are stacked anyway.

A saturated unit passes next to no gradient to what it is computed from: a sigmoid
below 0.1 or above 0.9 has less than 0.36 of its largest slope, a tanh beyond 0.95 less
than a tenth. What it stands for differs by gate: a forget gate that is high keeps.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Lengths
from rnn_research.unroll import Stacked

# Two counts below this one stand in one float32 side by side, exactly.
FEW = 1 << 12

LOW, HIGH = 0.1, 0.9  # of a sigmoid
FAR = 0.95  # of a tanh, on either side
SIGNED = ("candidate", "hidden")  # gates, and activations, that are a tanh


class Saturation(NamedTuple):
  """Shares of units at the two ends of a gate's range; the rest is in between.

  Attributes:
    low: sigmoid < 0.1, tanh < -0.95.
    high: sigmoid > 0.9, tanh > 0.95.
  """

  low: Float[Array, "..."]
  high: Float[Array, "..."]


def saturation(stacked: Stacked) -> dict[str, Saturation]:
  """Of each gate the shares of its units, leaves (time, batch)."""

  found = {}
  for name, gate in stacked.gates.items():
    low, high = (-FAR, FAR) if name in SIGNED else (LOW, HIGH)
    units = gate.reshape(*gate.shape[:2], -1)
    counts = _counts(units < low, units > high)
    found[name] = Saturation(*(count / units.shape[-1] for count in counts))
  return found


def _counts(low, high):
  """How many of the last axis are set, of either.

  A sum as a product with ones: on CPU the plain sum of flags takes twice as long.
  """
  ones = jnp.ones(low.shape[-1], float)
  low, high = low.astype(float), high.astype(float)
  if len(ones) >= FEW:
    return low @ ones, high @ ones
  both = (low + FEW * high) @ ones
  high = jnp.floor(both / FEW)
  return both - FEW * high, high


def mean_saturation(
  shares: dict[str, Saturation], lengths: Lengths | None
) -> dict[str, Saturation]:
  """Averages over valid steps and examples; NaN if there are none.

  Args:
    shares: leaves (time, batch).
    lengths: valid steps, None for all.
  """

  def mean(share):
    if lengths is None:
      return share.mean()
    valid = jnp.arange(share.shape[0])[:, None] < lengths[None]
    return jnp.where(valid, share, 0).sum() / valid.sum().astype(share.dtype)

  return {
    name: Saturation(mean(found.low), mean(found.high))
    for name, found in shares.items()
  }
