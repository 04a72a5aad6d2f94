"""Flax Linen: `nn.RNN` over its cells."""

import jax
from flax import linen as nn

from benchmarks.libraries import on_jax

PACKAGES = ("flax", "jax", "jaxlib")
CELLS = {"rnn": nn.SimpleCell, "gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}


def make(cell, shape, direction, devices):
  """Time-major; the optimised LSTM cell, the one its documentation uses."""
  layer = nn.RNN(CELLS[cell](shape.hidden), time_major=True)
  xs = on_jax.time_major(shape)
  params = jax.jit(layer.init)(jax.random.key(0), xs)
  return [on_jax.way(layer.apply, params, xs, direction)]
