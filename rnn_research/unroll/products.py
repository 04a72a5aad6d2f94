"""The two halves of a product with a recurrent weight, forward and backward."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Params
from rnn_research.cells import dense
from rnn_research.cells.cell import Operation


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
  operation: Operation, backward_weights: Params, value: Array, result: Array
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
    return None, cotangent @ weights["kernel"], cotangent
  _, pull = jax.vjp(functools.partial(operation, weights), value)
  return None, pull(cotangent)[0], cotangent


replay.defvjp(_replay_forward, _replay_backward)


def _of_type(gradient: Array, parameter: Array) -> Array:
  """Gives a hand-written gradient its parameter's type.

  Under `shard_map` a parameter is the same on every device while this gradient is
  not: differentiating a sum lets JAX put in the reduction over the devices.
  """
  _, pull = jax.vjp(lambda p: p + jnp.zeros_like(gradient), parameter)
  return pull(gradient)[0]


def weight_gradient(
  operation: Operation, weights: Params, values: Any, cotangents: Any
) -> Params:
  """Gradient of one weight from all time steps at once.

  One large product instead of T small ones, and under data parallelism one
  reduction over the devices instead of T.
  """
  if operation is not dense:

    def every_step(w):
      return jax.vmap(functools.partial(operation, w))(values)

    return jax.vjp(every_step, weights)[1](cotangents)[0]
  kernel = weights["kernel"]
  sharding = jax.typeof(kernel).sharding
  explicit = jax.sharding.AxisType.Explicit in sharding.mesh.axis_types
  product = jnp.einsum(
    "tbi,tbg->ig",
    values,
    cotangents,
    out_sharding=sharding if explicit else None,
  )
  gradient = {"kernel": _of_type(product, kernel)}
  if "bias" in weights:
    size = weights["bias"].shape[-1]
    total = cotangents[..., cotangents.shape[-1] - size :].sum((0, 1))
    gradient["bias"] = _of_type(total, weights["bias"])
  return gradient
