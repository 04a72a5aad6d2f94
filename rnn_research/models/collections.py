"""What layers hold besides parameters: sinks of a measure, and traces.

Both are nested dicts that follow the module tree; `by_layer` names their leaves
as the records do: `layer_0`, `layer_0/backward`, `decoder/layer_1`.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnn_research.array_types import Params
from rnn_research.problem import Batch
from rnn_research.unroll import Readings, Trace


def make_taps(model: nn.Module, params: Params, batch: Batch) -> dict[str, Any]:
  """Zeros for the collection `taps`, sized for this batch; runs no arithmetic.

      gradients, readings = jax.grad(loss, argnums=(0, 1))(params, taps)

  where the loss applies the model to {"params": params, "taps": taps}. The same
  model without `taps` is the same function, unmeasured.

  Raises:
    ValueError: if a layer is applied twice in one forward pass, since its sinks
      would receive the sum of two measurements.
  """

  def collect(params, batch):
    variables = {"params": params}
    return model.apply(variables, batch, mutable=["taps", "traces"])[1]

  shapes = jax.eval_shape(collect, params, batch).get("taps", {})
  # Zeros made from the data have its placement, which `shard_map` asks of them.
  return jax.tree.map(
    lambda s: jnp.zeros_like(batch.inputs, shape=s.shape, dtype=s.dtype), shapes
  )


def make_traces(
  model: nn.Module,
  params: Params,
  batch: Batch,
  *,
  train: bool = False,
  rngs: dict[str, Any] | None = None,
) -> dict[str, Trace]:
  """Runs the model, and returns the trace of each layer by its name.

  Raises:
    ValueError: if a layer is applied twice in one forward pass.
  """
  _, collected = model.apply(
    {"params": params}, batch, train=train, rngs=rngs, mutable=["traces"]
  )
  return by_layer(collected["traces"])


def by_layer(collection: dict[str, Any]) -> dict[str, Readings | Trace]:
  """The leaves of `taps`, their gradient or `traces`, by layer name."""
  layers = {}

  def visit(node, path):
    for name, value in node.items():
      if isinstance(value, dict):
        visit(value, (*path, name))
      else:
        layers["/".join(path)] = value

  visit(collection, ())
  return layers
