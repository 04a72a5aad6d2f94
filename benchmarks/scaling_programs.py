"""The gradient of one layer: of one seed alone, and of several in one program."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.entries import Shape
from benchmarks.libraries.on_jax import time_major
from benchmarks.serving import Way
from rnn_research.cells import CELLS
from rnn_research.training.placement import (
  make_layout,
  over_seeds,
  place_seeds,
  seed_sharding,
)
from rnn_research.unroll import unroll

ALONE, APART = "alone", "apart"
LOOPS = ("map", "vmap")
DEFAULT_LOOP = "map"  # what make_layout takes on CPU


class Subject(NamedTuple):
  """One program.

  Attributes:
    cell: its name.
    shape: of the layer.
    seeds: in the program.
    devices: in its process.
    loop: over the seeds of a device; "alone" is one seed that knows of no others,
      "apart" has no program in common, but a process for each device.
  """

  cell: str
  shape: Shape
  seeds: int = 1
  devices: int = 1
  loop: str = ALONE

  def share(self) -> "Subject":
    """What one process of several runs; all of it where there is one."""
    if self.loop != APART:
      return self
    return self._replace(
      seeds=-(-self.seeds // self.devices), devices=1, loop=DEFAULT_LOOP
    )


def make(subject: Subject) -> Way:
  """A gradient of sum(y^2) with respect to the parameters, compiled and checked.

  Several seeds are laid out and looped over as in training; all read the same inputs.
  """
  shape, devices = subject.shape, jax.devices()[: subject.devices]
  layer = CELLS[subject.cell]()
  init = functools.partial(layer.init, input_size=shape.input, hidden_size=shape.hidden)

  def square(params, xs):
    return (unroll(layer, params, xs)[1] ** 2).sum()

  gradient = jax.grad(square)
  # Not split: a seed then starts the same whoever else is in the program.
  keys = jax.vmap(jax.random.key)(np.arange(subject.seeds, dtype=np.uint32))
  if subject.loop == ALONE:
    run = jax.jit(gradient)
    params, xs = jax.jit(init)(keys[0]), jnp.asarray(time_major(shape))
  else:
    layout = make_layout(subject.seeds, shape.batch, devices, subject.loop)
    run = jax.jit(over_seeds(layout, gradient), out_shardings=seed_sharding(layout))
    params = place_seeds(layout, jax.jit(jax.vmap(init))(keys))
    split = NamedSharding(layout.mesh, P(None, "batch"))
    xs = jax.device_put(time_major(shape), split)

  def way():
    return jax.tree.leaves(jax.block_until_ready(run(params, xs)))

  if not all(np.isfinite(np.asarray(leaf)).all() for leaf in way()):
    raise ArithmeticError(f"{subject}: a gradient is not finite")
  return way
