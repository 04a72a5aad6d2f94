"""Keras on its JAX backend: `stateless_call` of its layers."""

import os

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

from benchmarks.libraries import on_jax  # noqa: E402

PACKAGES = ("keras", "jax", "jaxlib")
CELLS = {
  "rnn": keras.layers.SimpleRNN,
  "gru": keras.layers.GRU,
  "lstm": keras.layers.LSTM,
}


def make(cell, shape, direction, devices):
  """Batch-major, all it knows."""
  layer = CELLS[cell](shape.hidden, return_sequences=True)
  xs = np.ascontiguousarray(on_jax.time_major(shape).swapaxes(0, 1))
  layer.build(xs.shape)
  rest = [variable.value for variable in layer.non_trainable_variables]

  def apply(params, xs):
    return layer.stateless_call(params, rest, xs)[0]

  params = [variable.value for variable in layer.trainable_variables]
  return [on_jax.way(apply, params, xs, direction)]
