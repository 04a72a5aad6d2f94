"""Haiku: `hk.dynamic_unroll` over its cores.

Its GRU applies the reset gate before the product. Its plain core has a relu; the one
here is the same with the tanh of all others.
"""

import haiku as hk
import jax
import jax.numpy as jnp

from benchmarks.libraries import on_jax

PACKAGES = ("dm-haiku", "jax", "jaxlib")


class _TanhRNN(hk.VanillaRNN):
  def __call__(self, inputs, prev_state):
    to_hidden = hk.Linear(self.hidden_size)
    between = hk.Linear(self.hidden_size, with_bias=self.double_bias)
    out = jnp.tanh(to_hidden(inputs) + between(prev_state))
    return out, out


CELLS = {"rnn": _TanhRNN, "gru": hk.GRU, "lstm": hk.LSTM}


def make(cell, shape, direction, devices):
  """Time-major, its default."""

  @hk.without_apply_rng
  @hk.transform
  def layer(xs):
    core = CELLS[cell](shape.hidden)
    return hk.dynamic_unroll(core, xs, core.initial_state(shape.batch))[0]

  xs = on_jax.time_major(shape)
  params = jax.jit(layer.init)(jax.random.key(0), xs)
  return [on_jax.way(layer.apply, params, xs, direction)]
