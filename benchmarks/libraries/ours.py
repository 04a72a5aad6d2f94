"""This project: `unroll` as training calls it, the batch split over the devices."""

import jax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.libraries import on_jax
from rnn_research.cells import CELLS
from rnn_research.training.compilation import compiler_options, largest_stack
from rnn_research.training.devices import suit_cpu
from rnn_research.training.placement import make_layout
from rnn_research.unroll import unroll

PACKAGES = ("rnn_research", "jax", "jaxlib")


def make(cell, shape, direction, devices):
  """As many of the devices as divide the batch; one sequence runs on one.

  With several devices, the process and the compiler are set up as a training's are.
  """
  if devices > 1:
    suit_cpu()
  layout = make_layout(1, shape.batch, jax.devices()[:devices])
  everywhere = NamedSharding(layout.mesh, P())
  split = NamedSharding(layout.mesh, P(None, "batch"))
  subject = CELLS[cell]()
  draw = jax.jit(subject.init, static_argnums=(1, 2), out_shardings=everywhere)
  params = draw(jax.random.key(0), shape.input, shape.hidden)
  xs = jax.device_put(on_jax.time_major(shape), split)

  options = None
  if devices > 1:
    stack = largest_stack(params, xs, layout.mesh.shape["batch"])
    options = compiler_options(layout.platform, stack)

  def apply(params, xs):
    return unroll(subject, params, xs)[1]

  return [on_jax.way(apply, params, xs, direction, (everywhere, split), options)]
