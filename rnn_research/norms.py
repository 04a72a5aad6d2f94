"""Euclidean norms that neither overflow nor underflow, of 1e-33 as of 1e+36.

The largest entry is divided out before squaring, so a norm is right down to the
smallest normal float instead of its square root. That takes two passes. On CPU the
plain sum of squares is tried first, where there is enough to gain: one pass, and the
others only if a sum came out where squares are lost and not all of it is zero, as the
first state of a sequence is. An accelerator would have to wait for that decision.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Params, Scalar

LARGE = 1 << 14  # entries from which one pass less is worth a decision


def scaled_norm(value: Float[Array, "..."], keep: int = 1) -> Float[Array, "..."]:
  """Euclidean norm over all but the first `keep` axes.

  What is not finite among the entries makes it so too.
  """
  flat = value.reshape(*value.shape[:keep], -1)
  if flat.size < LARGE:
    return _scaled(flat)

  def tried(flat):
    squares = jnp.square(flat).sum(-1)
    return _root(squares, lambda: _largest(flat), lambda: _scaled(flat))

  return lax.platform_dependent(flat, cpu=tried, default=_scaled)


def global_norm(tree: Params | Array) -> Scalar:
  """Euclidean norm of all leaves together."""

  def scaled(leaves):
    return _scaled(jnp.stack([scaled_norm(leaf, keep=0) for leaf in leaves]))

  def tried(leaves):
    squares = jnp.stack([jnp.square(leaf).sum() for leaf in leaves]).sum()
    return _root(squares, lambda: _largest_of(leaves).max(), lambda: scaled(leaves))

  return lax.platform_dependent(jax.tree.leaves(tree), cpu=tried, default=scaled)


def leaf_norms(tree: Params) -> Params:
  """Euclidean norm of each leaf, in a tree of the same structure."""
  structure = jax.tree.structure(tree)
  return jax.tree.unflatten(structure, list(stacked_norms(tree)))


def stacked_norms(tree: Params | Sequence[Params]) -> Float[Array, "leaves"]:
  """Euclidean norm of each leaf, in one vector: cheaper than as many scalars."""

  def scaled(leaves):
    return jnp.stack([_scaled(leaf.reshape(-1)) for leaf in leaves])

  def tried(leaves):
    squares = jnp.stack([jnp.square(leaf).sum() for leaf in leaves])
    return _root(squares, lambda: _largest_of(leaves), lambda: scaled(leaves))

  return lax.platform_dependent(jax.tree.leaves(tree), cpu=tried, default=scaled)


def leaf_cosines(
  first: Params,
  second: Params,
  first_norms: Float[Array, "leaves"] | Scalar,
  second_norms: Float[Array, "leaves"] | Scalar,
) -> Float[Array, "leaves"]:
  """<x, y> / |x| |y| of each leaf and its counterpart; 0 where a norm is.

  Args:
    first: the x.
    second: the y, in the same structure.
    first_norms: |x| of each leaf; with that of all of them in its place, the results
      are their shares in the cosine of the whole.
    second_norms: |y|, likewise.
  """
  x, y = jax.tree.leaves(first), jax.tree.leaves(second)
  # One side in units of its norm is enough: no entry of a product then underflows that
  # counts beside the other's norm.
  scales = jnp.broadcast_to(_inverse(second_norms), (len(y),))
  products = [jnp.sum(a * (b * s)) for a, b, s in zip(x, y, scales, strict=True)]
  return jnp.stack(products) * _inverse(first_norms)


def _inverse(norm: Float[Array, "*kept"]) -> Float[Array, "*kept"]:
  return jnp.where(norm > 0, 1 / norm, 0)


def _scaled(flat: Float[Array, "*kept entries"]) -> Float[Array, "*kept"]:
  largest = _largest(flat)
  scale = jnp.where(largest > 0, largest, 1)
  ratio = flat / scale[..., None]
  # Only a true zero is zero: whatever is not finite must stay so.
  return jnp.where(largest == 0, 0, scale * jnp.sqrt(jnp.square(ratio).sum(-1)))


def _largest(flat: Float[Array, "*kept entries"]) -> Float[Array, "*kept"]:
  return jnp.abs(flat).max(-1, initial=0)


def _largest_of(leaves: Sequence[Array]) -> Array:
  return jnp.stack([_largest(leaf.reshape(-1)) for leaf in leaves])


def _root(
  squares: Float[Array, "*kept"],
  largest: Callable[[], Array],
  otherwise: Callable[[], Array],
) -> Float[Array, "*kept"]:
  """The norms from their squares where all are safe.

  Args:
    squares: their sums.
    largest: entries in each sum, asked for only if one of them isn't safe.
    otherwise: the norms, if one of those is not zero either.
  """

  def root():
    return jnp.sqrt(squares)

  def doubtful():
    return lax.cond((safe | (largest() == 0)).all(), root, otherwise)

  safe = _safe(squares)
  return lax.cond(safe.all(), root, doubtful)


def _safe(squares: Float[Array, "*kept"]) -> Bool[Array, "*kept"]:
  """Which sums of squares lost no part that counts, and didn't overflow.

  What underflows is a square below 2**-149 in float32, and the least sum that passes is
  2**-80: all that can be lost of it lies far below its last digit.
  """
  most = jnp.finfo(squares.dtype).maxexp
  low, high = 2.0 ** (-5 * most // 8), 2.0 ** (7 * most // 8)
  return (squares > low) & (squares < high)
