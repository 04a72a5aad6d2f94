"""How much of each gate is saturated, read where the gates are stacked anyway.

A saturated unit passes next to no gradient to what it is computed from: a sigmoid
below 0.1 or above 0.9 has less than 0.36 of its largest slope, a tanh beyond 0.95 less
than a tenth. What it stands for differs by gate: a forget gate that is high keeps.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Lengths
from rnn_research.unroll import Stacked

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
  flags = []
  for name, gate in stacked.gates.items():
    low, high = (-FAR, FAR) if name in SIGNED else (LOW, HIGH)
    units = gate.reshape(*gate.shape[:2], -1)
    flags += [units < low, units > high]
  shares = [
    count / units.shape[-1] for count, units in zip(_counts(flags), flags, strict=True)
  ]
  pairs = zip(shares[::2], shares[1::2], strict=True)
  return {
    name: Saturation(*pair) for name, pair in zip(stacked.gates, pairs, strict=True)
  }


def _counts(flags: list[Array]) -> list[Array]:
  """How many of the last axis are set, of each."""

  def packed(flags):
    digits = jnp.finfo(jax.dtypes.canonicalize_dtype(float)).nmant + 1
    counts = []
    for width, group in itertools.groupby(flags, lambda flag: flag.shape[-1]):
      alike = list(group)
      fields = max(1, digits // width.bit_length())
      for first in range(0, len(alike), fields):
        counts += _side_by_side(alike[first : first + fields])
    return counts

  def plain(flags):
    return [flag.sum(-1, dtype=float) for flag in flags]

  # Elsewhere a product may round its factors to fewer digits than these numbers have.
  return lax.platform_dependent(flags, cpu=packed, default=plain)


def _side_by_side(flags: Sequence[Array]) -> list[Array]:
  """Counts that stand in one number, exactly, and are summed as a product with ones.

  On CPU the plain sum of flags takes twice as long.
  """
  width = flags[0].shape[-1]
  base = 1 << width.bit_length()
  numbers = sum(flag.astype(float) * base**place for place, flag in enumerate(flags))
  sums = numbers @ jnp.ones(width, float)
  counts = []
  for _ in flags[1:]:
    above = jnp.floor(sums / base)
    counts.append(sums - base * above)
    sums = above
  return [*counts, sums]


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
