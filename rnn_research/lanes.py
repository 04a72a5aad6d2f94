"""Many numbers made one by way of a few, added up side by side.

A sum is a chain: each addition waits for the one before. Cut into pieces of one length
that are added entry by entry it is work for a vector, and the rest of it is short. XLA
also has code of its own for short sums, and calls a library for long ones.
"""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Scalar

LANES = 512  # entries side by side, at least
PIECES = 16  # at most: more are many loads in one kernel, and slow to compile


def total(values: Float[Array, "entries"]) -> Scalar:
  """The sum of all entries."""
  return jnp.stack([part.sum() for part in _parts(jnp.add, values)]).sum()


def every(flags: Bool[Array, "entries"]) -> Bool[Array, ""]:
  """Whether all of them are set."""
  return jnp.stack([part.all() for part in _parts(jnp.logical_and, flags)]).all()


def largest(sizes: Float[Array, "entries"]) -> Scalar:
  """The largest of what isn't negative; 0 of nothing."""
  parts = [part.max(initial=0) for part in _parts(jnp.maximum, sizes)]
  return jnp.stack(parts).max()


def _parts(combine: Callable[[Array, Array], Array], entries: Array) -> list[Array]:
  """One array or two that hold all entries, most of them combined."""
  lanes = max(LANES, -(-len(entries) // PIECES))
  whole = len(entries) // lanes * lanes
  pieces = [entries[first : first + lanes] for first in range(0, whole, lanes)]
  rest = [entries[whole:]] if whole < len(entries) or not pieces else []
  return [functools.reduce(combine, pieces), *rest] if pieces else rest
