"""Coherence by lag: whether the examples agree on what a lag adds to a gradient.

    C_k = (|sum_b G_k^b|^2 - sum_b |G_k^b|^2) / ((B - 1) sum_b |G_k^b|^2)

1 where all examples say the same, 0 where they are independent: it tells a gradient
that is small but useful from one that is large but noise. Necessary to learn from a
lag, not sufficient. Its noise is about 1/B, so it takes a thousand examples a batch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array
from rnn_research.diagnostics.lag_parts import lag_parts
from rnn_research.norms import scaled_norm
from rnn_research.unroll import Trace

BATCHES = 4  # that the examples are dealt into


class Coherence(NamedTuple):
  """By lag k = 0 .. time - 1; NaN where a batch has fewer than two examples.

  Attributes:
    coherence: C_k, the mean of four batches.
    standard_error: of that mean, from the spread of the four.
    examples: those with k steps before tau, all batches together.
  """

  coherence: Float[Array, "lags"]
  standard_error: Float[Array, "lags"]
  examples: Int[Array, "lags"]


def coherence_by_lag(
  trace: Trace,
  adjoint: Float[Array, "batch state"],
  *,
  product: str = "hidden",
  steps: Int[Array, "batch"] | None = None,
) -> Coherence:
  """C_k of the kernel of one dense product, from four batches.

  Args:
    trace: the application of a cell, best of 4,000 examples or more.
    adjoint: as in `contribution_by_lag`.
    product: as there.
    steps: as there.

  Raises:
    ValueError: if the product is not dense.
  """
  parts = lag_parts(trace, adjoint, product, steps)
  # Lag by lag, since 1e-30 squared is no number in float32.
  size = jnp.abs(parts.cotangents).max((1, 2), keepdims=True)
  cotangents = parts.cotangents / jnp.where(size > 0, size, 1)

  def one_lag(own):
    values, cotangents, known = own
    total = jnp.square(jnp.einsum("br,bc->rc", values, cotangents)).sum()
    squares = jnp.square(scaled_norm(values) * scaled_norm(cotangents)).sum()
    pairs = (known.sum() - 1).astype(squares.dtype)
    enough = (pairs > 0) & (squares > 0)
    return jnp.where(
      enough, (total - squares) / jnp.where(enough, pairs * squares, 1), jnp.nan
    )

  batches = jnp.stack(
    [
      jax.lax.map(
        one_lag,
        (
          parts.values[:, first::BATCHES],
          cotangents[:, first::BATCHES],
          parts.known[:, first::BATCHES],
        ),
      )
      for first in range(BATCHES)
    ]
  )
  return Coherence(
    coherence=batches.mean(0),
    standard_error=batches.std(0, ddof=1) / BATCHES**0.5,
    examples=parts.known.sum(1),
  )
