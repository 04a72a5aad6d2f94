"""Random orthogonal matrices, as a product of Householder reflections."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Key


def orthogonal(
  key: Key, shape: tuple[int, int], dtype=float
) -> Float[Array, "rows columns"]:
  """A matrix with orthonormal columns, or rows where those are fewer.

  Uniform over all such matrices (Stewart 1980): the QR decomposition of a Gaussian
  matrix, with each reflection drawn afresh instead of computed from what is left.
  No LAPACK: jaxlib's QR of several matrices splits them over the CPU's threads and
  waits on one of those threads, so that two at once can wait for each other for ever.
  """
  rows, columns = shape
  if rows < columns:
    return orthogonal(key, (columns, rows), dtype).T
  draws = jax.random.normal(key, (columns, rows), dtype)
  # Reflection k leaves the first k coordinates alone.
  draws = jnp.where(jnp.arange(rows)[None, :] >= jnp.arange(columns)[:, None], draws, 0)
  pivots = jnp.diagonal(draws)
  signs = jnp.where(pivots < 0, -1, 1).astype(draws.dtype)
  lengths = jnp.linalg.norm(draws, axis=1)
  normals = draws + (signs * lengths)[:, None] * jnp.eye(columns, rows, dtype=dtype)
  # The last vector of a square matrix has one coordinate: its sign is all it does.
  turns = jnp.where(jnp.arange(columns) == rows - 1, signs, -signs)
  normals = jnp.where(jnp.arange(columns)[:, None] == rows - 1, 0, normals)

  def reflect(matrix, normal):
    square = jnp.sum(jnp.square(normal))
    factor = jnp.where(square > 0, 2 / jnp.where(square > 0, square, 1), 0)
    return matrix - factor * normal[:, None] * (normal @ matrix)[None, :], None

  start = jnp.eye(rows, columns, dtype=dtype) * turns[None, :]
  return lax.scan(reflect, start, normals, reverse=True)[0]
