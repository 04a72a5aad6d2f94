"""How many devices a program runs on, as seen from one of its arrays."""

import math

import jax
from jax.sharding import AxisType

from rnn_research.array_types import Array


def may_be_split(array: Array) -> bool:
  """Whether the compiler may lay it on several devices; seeds are split by hand."""
  return _pieces(array) > 1


def sequences_of_each(xs: Array) -> int:
  """How many of the sequences in (time, batch, ...) one device has, at least."""
  return xs.shape[1] // _pieces(xs)


def devices(array: Array) -> int:
  """Devices of the mesh that it stands in, 1 where there is none."""
  return math.prod(jax.typeof(array).sharding.mesh.axis_sizes)


def _pieces(array):
  """Into how many the compiler may cut it."""
  mesh = jax.typeof(array).sharding.mesh
  sizes = zip(mesh.axis_types, mesh.axis_sizes, strict=True)
  return math.prod(size for kind, size in sizes if kind != AxisType.Manual)
