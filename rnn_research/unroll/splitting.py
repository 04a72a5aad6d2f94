"""Whether the compiler may lay an array on several devices."""

import math

import jax
from jax.sharding import AxisType

from rnn_research.array_types import Array


def may_be_split(array: Array) -> bool:
  """Whether a mesh stands behind it that splits it; seeds are split by hand."""
  mesh = jax.typeof(array).sharding.mesh
  sizes = zip(mesh.axis_types, mesh.axis_sizes, strict=True)
  return math.prod(size for kind, size in sizes if kind != AxisType.Manual) > 1
