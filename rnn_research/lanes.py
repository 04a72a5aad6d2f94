"""Many numbers made one by way of a few, added up side by side.

A sum is a chain: each addition waits for the one before. Cut into pieces of some rows
that are added entry by entry it is work for a vector, and the rest of it is short. XLA
also has code of its own for short sums, and calls a library for long ones. Rows stay
rows: of an array laid out flat, XLA divides an index for every entry.
"""

import functools
import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Scalar
from rnn_research.one_function import MANY

LANES = 512  # entries side by side, at least
PIECES = 16  # at most: more are many loads in one kernel, and slow to compile


def total(values: Float[Array, "..."]) -> Scalar:
  """The sum of all entries."""
  return jnp.stack([part.sum() for part in _parts(jnp.add, values)]).sum()


def every(flags: Bool[Array, "..."]) -> Bool[Array, ""]:
  """Whether all of them are set."""
  return jnp.stack([part.all() for part in _parts(jnp.logical_and, flags)]).all()


def largest(sizes: Float[Array, "..."]) -> Scalar:
  """The largest of what isn't negative; 0 of nothing."""
  parts = [part.max(initial=0) for part in _parts(jnp.maximum, sizes)]
  return jnp.stack(parts).max()


def _parts(combine: Callable[[Array, Array], Array], entries: Array) -> list[Array]:
  """One array or two that hold all entries, most of them combined."""
  rows = entries.reshape(math.prod(entries.shape[:-1]), *entries.shape[-1:])
  if entries.ndim < 2 or _height(rows) * rows.shape[1] >= MANY:
    rows = entries.reshape(-1)
  height = _height(rows)
  whole = len(rows) // height * height
  pieces = [rows[first : first + height] for first in range(0, whole, height)]
  rest = [rows[whole:]] if whole < len(rows) or not pieces else []
  return [functools.reduce(combine, pieces), *rest] if pieces else rest


def _height(rows: Array) -> int:
  """Rows of a piece."""
  width = max(rows[:1].size, 1)
  return max(1, math.ceil(LANES / width), math.ceil(len(rows) / PIECES))
