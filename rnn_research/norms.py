"""Euclidean norms that neither overflow nor underflow, of 1e-33 as of 1e+36.

On CPU squares are added up in double precision, whose range holds the squares of all of
float32: one pass, and nothing to decide. Accelerators have no double precision worth
the name, and double precision itself has nothing wider: there the largest entry is
divided out before squaring, which takes two passes. Either way a norm is right down to
the smallest normal number instead of its square root.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Params, Scalar
from rnn_research.lanes import total
from rnn_research.one_function import one_function

# Entries from which single precision is tried first: short rows are added up in half
# the time, and whether that was right is a decision that has to be paid for.
LARGE = 1 << 14


def scaled_norm(value: Float[Array, "..."], keep: int = 1) -> Float[Array, "..."]:
  """Euclidean norm over all but the first `keep` axes.

  What is not finite among the entries makes it so too.
  """
  return row_norms(value.reshape(*value.shape[:keep], -1))


def row_norms(tree: Any) -> Any:
  """Euclidean norm over the last axis of each leaf, in a tree of the same structure.

  In one call for all that are read at once: whether single precision will do is decided
  for all of them together, and a decision costs as much as a small stack.
  """

  def on_cpu(leaves):
    tried = iter(_by_singles([leaf for leaf in leaves if _is_large(leaf)]))
    return [next(tried) if _is_large(leaf) else _by_doubles(leaf) for leaf in leaves]

  def scaled(leaves):
    return [_scaled(leaf) for leaf in leaves]

  leaves, structure = jax.tree.flatten(tree)
  return jax.tree.unflatten(structure, _on_platform(on_cpu, scaled, leaves))


def global_norm(tree: Params | Array) -> Scalar:
  """Euclidean norm of all leaves together."""

  def by_doubles(leaves):
    with jax.enable_x64(True):
      norm = jnp.sqrt(_squares(leaves).sum())
      return norm.astype(leaves[0].dtype)

  def scaled(leaves):
    return _scaled(jnp.stack([_scaled(leaf.reshape(-1)) for leaf in leaves]))

  return _on_platform(by_doubles, scaled, jax.tree.leaves(tree))


def leaf_norms(tree: Params) -> Params:
  """Euclidean norm of each leaf, in a tree of the same structure."""
  structure = jax.tree.structure(tree)
  return jax.tree.unflatten(structure, list(stacked_norms(tree)))


def stacked_norms(tree: Params | Sequence[Params]) -> Float[Array, "leaves"]:
  """Euclidean norm of each leaf, in one vector: cheaper than as many scalars."""

  def by_doubles(leaves):
    with jax.enable_x64(True):
      return jnp.sqrt(_squares(leaves)).astype(leaves[0].dtype)

  def scaled(leaves):
    return jnp.stack([_scaled(leaf.reshape(-1)) for leaf in leaves])

  return _on_platform(by_doubles, scaled, jax.tree.leaves(tree))


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

  def by_doubles(x, y, x_norms, y_norms):
    with jax.enable_x64(True):
      products = [total(_double(a) * _double(b)) for a, b in zip(x, y, strict=True)]
      norms = _double(x_norms) * _double(y_norms)
      cosines = jnp.where(norms > 0, jnp.stack(products) / norms, 0)
      return cosines.astype(x[0].dtype)

  def scaled(x, y, x_norms, y_norms):
    # One side in units of its norm is enough: no entry of a product then underflows
    # that counts beside the other's norm.
    scales = jnp.broadcast_to(_inverse(y_norms), (len(y),))
    products = [jnp.sum(a * (b * s)) for a, b, s in zip(x, y, scales, strict=True)]
    return jnp.stack(products) * _inverse(x_norms)

  x, y = jax.tree.leaves(first), jax.tree.leaves(second)
  return _on_platform(by_doubles, scaled, x, y, first_norms, second_norms)


def _on_platform(cpu: Callable, default: Callable, *args) -> Any:
  """On CPU `cpu`, unless the arrays are doubles themselves; else `default`."""
  if any(leaf.dtype.itemsize == 8 for leaf in jax.tree.leaves(args)):
    return default(*args)
  return lax.platform_dependent(*args, cpu=cpu, default=default)


def _double(leaf: Array) -> Array:
  return leaf.astype(jnp.float64)


def _squares(leaves: Sequence[Array]) -> Float[Array, "leaves"]:
  return jnp.stack([total(jnp.square(_double(leaf))) for leaf in leaves])


def _is_large(leaf: Array) -> bool:
  """Whether single precision is tried on its rows first."""
  return leaf.ndim > 1 and len(leaf) > 2 and leaf.size >= LARGE


def _by_singles(stacks: list[Array]) -> list[Array]:
  """In single precision where no square of any is lost, else all in double."""
  if not stacks:
    return []
  squares = [jnp.square(stack).sum(-1) for stack in stacks]
  ends = [_ends(stack) for stack in stacks]
  return lax.cond(
    one_function(_all_safe, squares, ends),
    lambda: [jnp.sqrt(sums) for sums in squares],
    lambda: [_by_doubles(stack) for stack in stacks],
  )


def _all_safe(squares: list[Array], ends: list[Array]) -> Bool[Array, ""]:
  """Whether no sum of squares lost a part that counts.

  Zero says that it did, but for rows of nothing else. Those are looked for at the ends
  of the first axis alone, which costs next to nothing: the state that a sequence begins
  with is zero in every example, and would decide for all.
  """

  def safe(sums, rows):
    zero = (rows == 0).all(-1)
    return _safe(sums[1:-1]).all() & (_safe(_ends(sums)) | zero).all()

  return jnp.stack([safe(*pair) for pair in zip(squares, ends, strict=True)]).all()


def _ends(stack: Array) -> Array:
  return jnp.stack([stack[0], stack[-1]])


def _by_doubles(flat: Float[Array, "*kept entries"]) -> Float[Array, "*kept"]:
  with jax.enable_x64(True):
    squares = jnp.square(flat.astype(jnp.float64)).sum(-1)
    return jnp.sqrt(squares).astype(flat.dtype)


def _scaled(flat: Float[Array, "*kept entries"]) -> Float[Array, "*kept"]:
  largest = jnp.abs(flat).max(-1, initial=0)
  scale = jnp.where(largest > 0, largest, 1)
  ratio = flat / scale[..., None]
  # Only a true zero is zero: whatever is not finite must stay so.
  return jnp.where(largest == 0, 0, scale * jnp.sqrt(jnp.square(ratio).sum(-1)))


def _inverse(norm: Float[Array, "*kept"]) -> Float[Array, "*kept"]:
  return jnp.where(norm > 0, 1 / norm, 0)


def _safe(squares: Float[Array, "*kept"]) -> Bool[Array, "*kept"]:
  """Which sums of squares lost no part that counts, and didn't overflow.

  What underflows is a square below 2**-149 in float32, and the least sum that passes is
  2**-80: all that can be lost of it lies far below its last digit.
  """
  most = jnp.finfo(squares.dtype).maxexp
  low, high = 2.0 ** (-5 * most // 8), 2.0 ** (7 * most // 8)
  return (squares > low) & (squares < high)
