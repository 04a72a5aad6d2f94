"""The layer norm of recurrent cells."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array

EPSILON = 1e-5  # of the variance, as in Ba et al.'s released code


def normalise(
  value: Float[Array, "*batch columns"],
  scale: Float[Array, "*rows columns"],
  bias: Float[Array, "*rows columns"] | None = None,
) -> Float[Array, "*batch columns"]:
  """Mean 0 and variance 1 over the columns, then scaled and shifted.

  Ba, Kiros and Hinton 2016, eq. 3; two norms that are added need one bias.
  """
  mean = value.mean(-1, keepdims=True)
  variance = jnp.square(value - mean).mean(-1, keepdims=True)
  result = (value - mean) * lax.rsqrt(variance + EPSILON) * scale
  return result if bias is None else result + bias
