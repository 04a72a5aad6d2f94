"""What the backward scan plays back, and the weight gradients behind it."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Params
from rnn_research.cells import dense, identity
from rnn_research.cells.cell import Operation
from rnn_research.unroll.outer_products import outer_products, sum_of_steps
from rnn_research.unroll.weights_first import Laid, multiply


def as_rows(vectors: Params, rank: int) -> Params:
  """Gives each vector leading axes of size 1, so that it broadcasts at `rank`."""
  return jax.tree.map(lambda p: p.reshape((1,) * (rank - p.ndim) + p.shape), vectors)


def transposed(operation: Operation, weights: Params) -> Params:
  """The weights as the backward scan wants them; made once, outside the scan.

  A transpose taken by `jax.vjp` inside the loop copies the matrix at every step.
  """
  if operation is dense:
    return {"kernel": weights["kernel"].T}
  return weights


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def replay(
  operation: Operation, backward_weights: Laid, value: Array, result: Array
) -> Array:
  """A product whose result the forward scan has already computed.

  The cotangent goes on to `value` through the transposed weight and, unchanged, to
  `result`, from which the weight gradients are formed after the scan.
  """
  return result


def _replay_forward(operation, backward_weights, value, result):
  return result, (backward_weights, value)


def _replay_backward(operation, saved, cotangent):
  weights, value = saved
  if operation is dense:
    return None, multiply(dense, weights, cotangent).astype(value.dtype), cotangent
  _, pull = jax.vjp(functools.partial(operation, weights.plain), value)
  return None, pull(cotangent)[0], cotangent


replay.defvjp(_replay_forward, _replay_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def replay_activation(function: Any, value: Array, recorded: Array) -> Array:
  """An activation whose output the forward scan has already computed.

  Its derivative is taken from the output, so `value` is never needed.
  """
  return recorded


def _replay_activation_forward(function, value, recorded):
  return recorded, recorded


def _replay_activation_backward(function, recorded, cotangent):
  # Zeros and not None, which JAX gives a wrong shape where this is batched.
  return SLOPES[function](cotangent, recorded), jnp.zeros_like(recorded)


replay_activation.defvjp(_replay_activation_forward, _replay_activation_backward)

# Cotangent of an activation's value, from that of its output and the output.
SLOPES = {
  jax.nn.sigmoid: lambda cotangent, y: cotangent * (y * (1 - y)),
  jnp.tanh: lambda cotangent, y: cotangent * (1 - y * y),
  jax.nn.relu: lambda cotangent, y: jnp.where(y > 0, cotangent, 0),
  identity: lambda cotangent, y: cotangent,
}


def _every_step(operation: Operation, weights: Params, values: Any) -> Array:
  """The operation on the values of all steps."""
  return jax.vmap(functools.partial(operation, weights))(values)


def _of_type(gradient: Array, parameter: Array) -> Array:
  """Gives a hand-written gradient its parameter's type.

  Under `shard_map` a parameter is the same on every device while this gradient is
  not: differentiating a sum lets JAX put in the reduction over the devices.
  """
  _, pull = jax.vjp(lambda p: p + jnp.zeros_like(gradient), parameter)
  return pull(gradient)[0]


def weight_gradient(
  operation: Operation, weights: Params, values: Any, cotangents: Array
) -> Params:
  """Gradient of one weight from all time steps at once.

  One large product instead of T small ones, and under data parallelism one
  reduction over the devices instead of T.

  Args:
    operation: of the weight.
    weights: its parameters.
    values: what it multiplied, leaves (time, batch, ...).
    cotangents: of its results, (time, batch, ...).
  """
  if operation is not dense:
    _, pull = jax.vjp(lambda w: _every_step(operation, w, values), weights)
    return pull(cotangents)[0]
  kernel = weights["kernel"]
  gradient = {"kernel": _of_type(outer_products(values, cotangents, kernel), kernel)}
  if "bias" in weights:
    bias = weights["bias"]
    missing = kernel.shape[-1] - bias.shape[-1]
    if missing:
      # As a product it reads what the other one reads, which is then formed once.
      ones = jnp.ones_like(cotangents[..., :1])
      own = outer_products(ones, cotangents, kernel)[0, missing:]
    else:
      own = sum_of_steps(cotangents)
    gradient["bias"] = _of_type(own.astype(bias.dtype), bias)
  return gradient


def value_gradient(
  operation: Operation, weights: Params, values: Any, cotangents: Array
) -> Any:
  """Gradient of what one weight multiplied, all time steps at once.

  Args:
    operation: of the weight.
    weights: its parameters, as the forward pass rounded them.
    values: what it multiplied, leaves (time, batch, ...).
    cotangents: as above.
  """
  _, pull = jax.vjp(lambda v: _every_step(operation, weights, v), values)
  return pull(cotangents)[0]
