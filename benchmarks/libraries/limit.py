"""The bare matrix products of a layer: what no arrangement of the rest can beat.

Forward: the projection of the inputs, and T recurrent products one after another.
Gradient: besides those, T transposed recurrent products one after another, and the
products that give the gradients of both matrices and of the inputs. No bias, no gate.
Kept on the way are the states and the cotangents, which every adjoint needs for the
weight gradients. The batch is split over the devices as in `ours`.

Two arrangements compete: all inputs projected (and their gradients formed) at once,
or each in its own step.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.entries import GATES
from benchmarks.libraries import on_jax
from rnn_research.training.placement import make_layout

PACKAGES = ("jax", "jaxlib")


def make(cell, shape, direction, devices):
  """The two arrangements."""
  layout = make_layout(1, shape.batch, jax.devices()[:devices])
  everywhere = NamedSharding(layout.mesh, P())
  split = NamedSharding(layout.mesh, P(None, "batch"))
  rows = NamedSharding(layout.mesh, P("batch"))
  weights = jax.device_put(_weights(shape, GATES[cell]), everywhere)
  state = np.ones((shape.batch, GATES[cell] * shape.hidden), np.float32)
  arguments = jax.block_until_ready(
    (
      weights,
      jax.device_put(on_jax.time_major(shape), split),
      jax.device_put(state, rows),
    )
  )
  return [
    functools.partial(_call, _compile(direction, whole), arguments)
    for whole in (False, True)
  ]


def _call(compiled, arguments):
  return jax.block_until_ready(jax.tree.leaves(compiled(*arguments)))


def _weights(shape, gates):
  """Input and recurrent matrix; the first block keeps the states' norms.

  States that vanish or overflow would take another time to multiply.
  """
  draw = np.random.default_rng(1)
  width = gates * shape.hidden
  square = draw.standard_normal((shape.hidden, shape.hidden), np.float32)
  recurrent = draw.standard_normal((shape.hidden, width), np.float32) / shape.hidden
  recurrent[:, : shape.hidden] = np.linalg.qr(square)[0]
  return draw.standard_normal((shape.input, width), np.float32), recurrent


def _compile(direction, whole):
  return jax.jit(functools.partial(_forward if direction == "forward" else _all, whole))


def _forward(whole, weights, xs, state):
  """States (time, batch, hidden), and projections so that they aren't left out."""
  of_inputs, recurrent = weights
  hidden = recurrent.shape[0]

  def step(carry, x):
    state, projection = carry
    before = state[:, :hidden]
    projection = projection if whole else x @ of_inputs
    return (before @ recurrent, projection), before

  (last, projection), states = lax.scan(step, (state, jnp.zeros_like(state)), xs)
  if whole:
    projection = xs @ of_inputs
  return states, projection, last


def _all(whole, weights, xs, state):
  """The forward products, and all of the backward pass from the last state."""
  of_inputs, recurrent = weights
  hidden = recurrent.shape[0]
  states, projection, last = _forward(whole, weights, xs, state)
  back, inputs_back = recurrent.T, of_inputs.T

  def step(cotangent, _):
    # The other gates' part stands still: replacing it is not a product.
    new = jnp.concatenate([cotangent @ back, cotangent[:, hidden:]], axis=1)
    return new, (cotangent, None if whole else cotangent @ inputs_back)

  _, (cotangents, d_xs) = lax.scan(step, last, None, length=xs.shape[0])
  d_of_inputs = jnp.einsum("tbi,tbg->ig", xs, cotangents)
  d_recurrent = jnp.einsum("tbh,tbg->hg", states, cotangents)
  if whole:
    d_xs = cotangents @ inputs_back
  return d_of_inputs, d_recurrent, projection, d_xs
