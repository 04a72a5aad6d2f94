"""Spectral radius and largest singular value of the recurrent matrices.

On the host, in float64: eigenvalues of a general matrix do not lower for TPU. In the
2-norm, gamma * sigma_max < 1 is sufficient for gradients to vanish in an Elman
network and > 1 necessary for them to explode (Pascanu, Mikolov and Bengio 2013).
"""

from typing import Any

import numpy as np

from rnn_research.cells import Cell


def recurrent_blocks(cell: Cell, params: dict[str, Any]) -> dict[str, np.ndarray]:
  """The matrices of a cell's dense products, one a gate, (rows, hidden).

  Args:
    cell: names the gates of each product.
    params: host arrays; leading axes (seeds) are kept.
  """
  blocks = {}
  for product, gates in cell.gate_order.items():
    kernel = np.asarray(params[product]["kernel"], np.float64)
    for gate, block in zip(gates, np.split(kernel, len(gates), -1), strict=True):
      blocks[gate] = block
  return blocks


def spectral_radius(matrix: np.ndarray) -> np.ndarray:
  """Largest modulus of an eigenvalue; NaN if the matrix is not square or finite."""
  shape = matrix.shape[:-2]
  if matrix.shape[-1] != matrix.shape[-2]:
    return np.full(shape, np.nan)
  finite = np.isfinite(matrix).all((-2, -1))
  safe = np.where(finite[..., None, None], matrix, 0)
  radius = np.abs(np.linalg.eigvals(safe)).max(-1)
  return np.where(finite, radius, np.nan)


def largest_singular_value(matrix: np.ndarray) -> np.ndarray:
  """Largest factor by which the matrix stretches a vector (the 2-norm)."""
  finite = np.isfinite(matrix).all((-2, -1))
  safe = np.where(finite[..., None, None], matrix, 0)
  largest = np.linalg.svd(safe, compute_uv=False)[..., 0]
  return np.where(finite, largest, np.nan)
