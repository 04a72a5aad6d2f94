"""What a step minimises: the mean loss, and penalties on how its adjoint travels."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.array_types import Key, Params, Scalar
from rnn_research.diagnostics import Omega, carry_adjoint, omega
from rnn_research.models import by_layer, make_taps
from rnn_research.problem import Batch
from rnn_research.training.flossing import flossing_loss
from rnn_research.training.losses import Tally, tally
from rnn_research.training.program import Program
from rnn_research.unroll import Readings, Trace


class Found(NamedTuple):
  """A gradient, and everything that came up on its way.

  Attributes:
    loss: per supervised position, without any penalty.
    gradient: of the loss and all penalties.
    tally: of the batch.
    traces: of each layer.
    readings: of each layer's taps, of the sum of the examples' losses.
    omega: of each layer, {} without regularizer.
  """

  loss: Scalar
  gradient: Params
  tally: Tally
  traces: dict[str, Trace]
  readings: dict[str, Readings]
  omega: dict[str, Omega]


def forward(
  program: Program, model, params: Params, taps: Params, batch: Batch, key: Key
) -> tuple[Tally, dict]:
  """Runs a model in training mode; returns the tally and the layers' traces."""
  dropout, noise = jax.random.split(key)
  outputs, variables = model.apply(
    {"params": params, "taps": taps},
    batch,
    train=True,
    rngs={"dropout": dropout, "noise": noise},
    mutable=["traces"],
  )
  return tally(program.problem, outputs, batch), by_layer(variables["traces"])


def differentiate(
  program: Program,
  model: Any,
  params: Params,
  batch: Batch,
  keys: tuple[Key, Key],
  weight: Scalar,
) -> Found:
  """The gradient of one step.

  Args:
    program: of the run.
    model: its model, or the one that is measured.
    params: where.
    batch: of the step.
    keys: of dropout and noise, and of flossing's directions.
    weight: of Omega, if it is asked for.
  """
  taps = make_taps(model, params, batch)
  key, directions = keys

  def total_loss(params, taps):
    parts, traces = forward(program, model, params, taps, batch, key)
    total = parts.loss
    if program.flossing.weight:
      added, _ = flossing_loss(program, params, batch, directions)
      total += program.flossing.weight * added * parts.count
    return total, (parts, traces)

  def with_penalty(params):
    (total, (parts, traces)), readings = jax.value_and_grad(
      total_loss, argnums=1, has_aux=True
    )(params, taps)
    readings = by_layer(readings)
    penalties = _omega(traces, readings, immediate=False)
    aim = total / parts.count + weight * _sum(penalties)
    loss = parts.loss / parts.count
    return aim, Found(loss, None, parts, traces, readings, penalties)

  if program.regularizer == "full":
    gradient, found = jax.grad(with_penalty, has_aux=True)(params)
    return found._replace(gradient=gradient)

  (_, (parts, traces)), (gradient, readings) = jax.value_and_grad(
    total_loss, argnums=(0, 1), has_aux=True
  )(params, taps)
  # Divided behind the backward pass: over several devices the count is then reduced
  # together with the gradient, and what was read is of each example's own loss.
  loss, gradient = jax.tree.map(lambda leaf: leaf / parts.count, (parts.loss, gradient))
  readings = by_layer(readings)
  if not program.regularizer:
    return Found(loss, gradient, parts, traces, readings, {})

  def penalty(params):
    own = {
      layer: dataclasses.replace(trace, params=cell_params(params, layer))
      for layer, trace in traces.items()
    }
    penalties = _omega(own, readings, immediate=True)
    return _sum(penalties), penalties

  pull, penalties = jax.grad(penalty, has_aux=True)(params)
  gradient = jax.tree.map(lambda g, p: g + weight * p, gradient, pull)
  return Found(loss, gradient, parts, traces, readings, penalties)


def cell_params(params: Params, layer: str) -> Params:
  """The parameters of a layer's cell, by the layer's slash path."""
  for name in layer.split("/"):
    params = params[name]
  return params["cell"]


def _omega(traces, readings, immediate):
  return {
    layer: omega(traces[layer], carry_adjoint(reading), immediate)
    for layer, reading in readings.items()
  }


def _sum(penalties: dict[str, Omega]) -> Scalar:
  return jnp.stack([penalty.value for penalty in penalties.values()]).sum()
