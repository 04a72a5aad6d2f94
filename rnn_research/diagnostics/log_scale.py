"""Vectors as a direction and the logarithm of a length."""

import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array


def normalised(
  vectors: Float[Array, "*vectors state"],
) -> tuple[Float[Array, "*vectors state"], Float[Array, "*vectors"]]:
  """Unit vectors and the logarithm of their length; exact over the float range.

  A vector of zeros stays one, and its logarithm is minus infinity.
  """
  largest = jnp.abs(vectors).max(-1, keepdims=True)
  scale = jnp.where(largest > 0, largest, 1)
  scaled = vectors / scale
  length = jnp.sqrt(jnp.square(scaled).sum(-1, keepdims=True))
  safe = jnp.where(length > 0, length, 1)
  log = jnp.log(largest) + jnp.log(safe)
  return scaled / safe, log[..., 0]
