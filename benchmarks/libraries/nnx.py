"""Flax NNX: `nnx.RNN` over its cells, merged inside one jitted function."""

from flax import nnx

from benchmarks.libraries import on_jax

PACKAGES = ("flax", "jax", "jaxlib")
CELLS = {"rnn": nnx.SimpleCell, "gru": nnx.GRUCell, "lstm": nnx.OptimizedLSTMCell}


def make(cell, shape, direction, devices):
  """Split once outside: `nnx.jit` would walk over the module at every call."""
  rngs = nnx.Rngs(0)
  subject = CELLS[cell](shape.input, shape.hidden, rngs=rngs)
  layer = nnx.RNN(subject, time_major=True, rngs=rngs)
  # The keys of the generator are integers and have no gradient.
  graph, params, rest = nnx.split(layer, nnx.Param, ...)

  def apply(params, xs):
    return nnx.merge(graph, params, rest, copy=True)(xs)

  return [on_jax.way(apply, params, on_jax.time_major(shape), direction)]
