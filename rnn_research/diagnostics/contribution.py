"""Contribution of each lag to the gradient of a recurrent kernel.

G = sum_k G_k, G_k the mean over examples of G_k^b = h_{tau-k-1} (x) dz_{tau-k}, tau the
step of the loss. "The share of a lag" has several meanings that can differ fourfold:
each has its name here, and the share that lags of equal weight would have beside it.
No G_k is kept: each is formed from its factors, used and dropped.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array
from rnn_research.diagnostics.lag_parts import LagParts, lag_parts
from rnn_research.norms import scaled_norm
from rnn_research.unroll import Trace


class Contribution(NamedTuple):
  """By lag k = 0 .. time - 1, or by the number K = 0 .. time - 1 of lags kept.

  NaN where the whole gradient is zero.

  Attributes:
    truncation_error: e_K = |sum_{k >= K} G_k| / |G|: what TBPTT(K) loses.
    cosine: of the angle between sum_{k < K} G_k and G; NaN at K = 0.
    signed_share: <G_k, G> / |G|^2; sums to 1.
    norm_share: |G_k| / sum_j |G_j|.
    example_norm_share: the mean over examples of |G_k^b|, over its sum over lags.
    uniform_tail: share of the lags k >= K if all weighed alike: (T - K) / T.
    examples: n_k, those with k steps before tau. A lag of few says little.
  """

  truncation_error: Float[Array, "lags"]
  cosine: Float[Array, "lags"]
  signed_share: Float[Array, "lags"]
  norm_share: Float[Array, "lags"]
  example_norm_share: Float[Array, "lags"]
  uniform_tail: Float[Array, "lags"]
  examples: Int[Array, "lags"]


def contribution_by_lag(
  trace: Trace,
  adjoint: Float[Array, "batch state"],
  *,
  product: str = "hidden",
  steps: Int[Array, "batch"] | None = None,
) -> Contribution:
  """What each lag adds to the gradient of one kernel, within its layer.

  Args:
    trace: the application of a cell.
    adjoint: dl_b/ds_tau of each example's own loss at tau alone, leaves of the carry
      side by side: what `last_state` takes of `ADJOINT` where the loss acts at the
      last step.
    product: name of the recurrent weight, whose operation is dense ("hidden"; of a
      GRU with the reset before, "gates" or "candidate").
    steps: tau of each example, in input order, where the loss acts at every step: best
      drawn evenly from those that are supervised. A lag is then the mean of the n_k
      examples that have it. None is the last valid step: lags are means over all
      examples and add up to the gradient of their mean loss.

  Raises:
    ValueError: if the product is not dense.
  """
  parts = lag_parts(trace, adjoint, product, steps)
  examples = parts.known.sum(1)
  size = jnp.abs(parts.cotangents).max()
  dtype = size.dtype
  # A common factor of all lags changes no share, and keeps squares in range.
  cotangents = parts.cotangents / jnp.where(size > 0, size, 1)
  weights = (examples > 0).astype(dtype)
  if steps is None:
    weights = examples.astype(dtype)
  else:
    shares = jnp.maximum(examples, 1).astype(dtype)
    cotangents = cotangents / shares[:, None, None]
  return _figures(parts._replace(cotangents=cotangents), weights, examples)


def _figures(parts: LagParts, weights, examples) -> Contribution:
  factors = parts.values, parts.cotangents
  nothing = jnp.zeros((factors[0].shape[2], factors[1].shape[2]), factors[1].dtype)

  # Heads and tails are each added up: their difference from the whole would cancel.
  def tail(total, own):
    total = total + _part(own)
    return total, jnp.sqrt(_product(total, total))

  whole, tails = jax.lax.scan(tail, nothing, factors, reverse=True)
  square = _product(whole, whole)

  def head(total, own):
    part = _part(own)
    total = total + part
    return total, (
      scaled_norm(part, 0),
      _product(part, whole),
      jnp.sqrt(_product(total, total)),
      _product(total, whole),
    )

  _, (norms, along, heads, heads_along) = jax.lax.scan(head, nothing, factors)
  length = jnp.sqrt(square)
  # The head of K = 0 lags has no direction.
  cosines = heads_along / (heads * length)
  by_example = (scaled_norm(factors[0], 2) * scaled_norm(factors[1], 2)).sum(1)
  return Contribution(
    truncation_error=tails / length,
    cosine=jnp.concatenate([jnp.full((1,), jnp.nan, square.dtype), cosines[:-1]]),
    signed_share=along / square,
    norm_share=norms / norms.sum(),
    example_norm_share=by_example / by_example.sum(),
    uniform_tail=jnp.cumsum(weights[::-1])[::-1] / weights.sum(),
    examples=examples,
  )


def _part(factors):
  """G_k from what it is the product of."""
  return jnp.einsum("br,bc->rc", *factors)


def _product(a, b):
  return (a * b).sum()
