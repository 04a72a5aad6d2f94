"""What truncated back-propagation does to a gradient: its direction and its size.

The truncated gradient of a batch is not the gradient of any loss. Against the whole
one, g_K against g:

    cosine      <g_K, g> / |g_K| |g|
    norm ratio  |g_K| / |g|

The truncation error |g_K - g| / |g| is sqrt(r^2 - 2 r c + 1) of the two. TBPTT(1, K)
cuts each loss at exactly K steps; with k1 > 1 it is K steps at most.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Params, Scalar


class Bias(NamedTuple):
  """A truncated gradient beside the whole one.

  Attributes:
    cosine: of the angle between them; NaN where one of them is zero.
    norm_ratio: length of the truncated over the whole; not finite where that is zero.
  """

  cosine: Float[Array, "..."]
  norm_ratio: Float[Array, "..."]


def gradient_bias(truncated: Any, whole: Any) -> Bias:
  """Compares two gradients, all leaves of a tree together.

  Each is scaled by its largest entry first: safe from overflow and underflow.
  """
  a, size_a = _scaled(truncated)
  b, size_b = _scaled(whole)
  squares = _product(a, a), _product(b, b)
  norm_a, norm_b = (jnp.sqrt(square) for square in squares)
  return Bias(
    cosine=jnp.clip(_product(a, b) / (norm_a * norm_b), -1, 1),
    norm_ratio=(size_a / size_b) * (norm_a / norm_b),
  )


def leaf_biases(truncated: Params, whole: Params) -> dict[str, Bias]:
  """The same of every leaf by itself, by slash path.

  A leaf that no carry lies behind (a classifier's head) isn't biased, and can hide
  the others in the whole.
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(truncated)
  return {
    jax.tree_util.keystr(path, simple=True, separator="/"): gradient_bias(leaf, other)
    for (path, leaf), other in zip(leaves, jax.tree.leaves(whole), strict=True)
  }


def truncation_biases(
  make_loss: Callable[[Any], Callable[[Params], Scalar]],
  params: Params,
  truncations: Iterable[Any],
) -> Bias:
  """The bias that each of some truncations would have, trained with or not.

      truncation_biases(lambda k: lambda p: loss(p, truncation=k), params, [(5, 5)])

  Args:
    make_loss: from a truncation to a loss of the parameters; None is the whole
      gradient's.
    params: where the gradients are taken.
    truncations: what `make_loss` is given.

  Returns:
    A bias whose leaves have one entry a truncation.
  """
  whole = jax.grad(make_loss(None))(params)
  biases = [gradient_bias(jax.grad(make_loss(k))(params), whole) for k in truncations]
  return jax.tree.map(lambda *entries: jnp.stack(entries), *biases)


def _scaled(tree: Any) -> tuple[list[Array], Scalar]:
  """The leaves over their largest entry, so that no square leaves the float range."""
  leaves = jax.tree.leaves(tree)
  largest = jnp.stack([jnp.abs(leaf).max() for leaf in leaves]).max()
  return [leaf / jnp.where(largest > 0, largest, 1) for leaf in leaves], largest


def _product(a: list[Array], b: list[Array]) -> Scalar:
  return jnp.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()
