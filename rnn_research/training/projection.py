"""Recurrent matrices kept within a ball of the 2-norm (Kanai et al. 2017, section 4).

A GRU without input is stable about the zero state if the candidate's matrix has no
singular value of 2 or more; for an Elman network the bound is 1 (Pascanu et al. 2013).
After every update, the nearest such matrix in the Frobenius norm takes its place: the
one with the same singular vectors and its singular values cut off at the bound.

By matrix products alone, where Kanai et al. take a decomposition: on CPU, LAPACK's
shares one pool of threads among all devices, where two that decompose at once may wait
for each other; and products are what accelerators are good at.
"""

import functools
import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Params, Scalar
from rnn_research.cells import Cell

# Scale of a step. A larger one sends the largest singular value to one of the least,
# and rounding is then no longer small beside it (Nakatsukasa and Higham 2012).
MOST = 1.3


def project_cells(params: Params, cells: dict[str, Cell], bound: Scalar) -> Params:
  """Bounds every recurrent matrix of a model, each gate's by itself.

  Args:
    params: of the model.
    cells: the cell of each layer, by its slash path.
    bound: on singular values.
  """
  for layer, cell in cells.items():
    for product, gates in cell.gate_order.items():
      path = (*layer.split("/"), "cell", product, "kernel")
      change = functools.partial(_gates, gates=len(gates), bound=bound)
      params = _changed(params, path, change)
  return params


def bounded(matrix: Float[Array, "rows columns"], bound: Scalar) -> Array:
  """The nearest matrix without a singular value above the bound.

  With W / bound = U H, its polar decomposition, what is above is
  bound U (H - 1 + |H - 1|) / 2, and |H - 1| = (H - 1) sign(H - 1).
  """
  if matrix.shape[0] < matrix.shape[1]:
    return bounded(matrix.T, bound).T
  scaled = matrix / bound
  direction = polar_factor(scaled)
  above = _symmetric(direction.T @ scaled) - jnp.eye(
    matrix.shape[1], dtype=matrix.dtype
  )
  above = (above + _symmetric(polar_factor(above) @ above)) / 2
  return matrix - bound * (direction @ above)


def polar_factor(matrix: Float[Array, "rows columns"]) -> Array:
  """U of the polar decomposition W = U H; of a symmetric matrix, its sign.

  By the scaled Newton-Schulz iteration of Chen and Chow (2014): cubic steps that take
  singular values from the float's precision up to 1, with a limit on the scale. What
  is smaller stays below 1, which hurts no product with W.
  """
  steps = jnp.asarray(_scales(float(jnp.finfo(matrix.dtype).eps)), matrix.dtype)
  norms = [jnp.abs(matrix).sum(axis).max() for axis in (0, 1)]
  largest = jnp.sqrt(norms[0]) * jnp.sqrt(norms[1])  # or more, as a 2-norm

  def step(x, scale):
    x = scale * x
    return 1.5 * x - 0.5 * (x @ (x.T @ x)), None

  start = matrix / jnp.where(largest > 0, largest, 1)
  return lax.scan(step, start, steps)[0]


def _scales(least: float) -> list[float]:
  """The factor before each cubic step, for singular values in [least, 1]."""
  scales = []
  while 1 - least > 1e-3:
    scales.append(min(math.sqrt(3 / (1 + least + least**2)), MOST))
    ends = [scales[-1] * value for value in (least, 1.0)]
    least = min(value * (3 - value**2) / 2 for value in ends)
  return [*scales, 1.0, 1.0, 1.0]  # quadratic from here


def _symmetric(matrix):
  return (matrix + matrix.T) / 2


def _gates(kernel, gates, bound):
  blocks = jnp.split(kernel, gates, axis=-1)
  return jnp.concatenate([bounded(block, bound) for block in blocks], axis=-1)


def _changed(tree, path, function):
  """The tree with the leaf at a path replaced by its function."""
  if not path:
    return function(tree)
  return tree | {path[0]: _changed(tree[path[0]], path[1:], function)}
