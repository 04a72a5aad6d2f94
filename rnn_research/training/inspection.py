"""The second program: lag gain of every layer, on sequences of its own."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Int

from rnn_research.array_types import Array
from rnn_research.diagnostics import (
  Curves,
  at_events,
  event_lags,
  flatten_carry,
  last_state,
  loss_gain,
  over_examples,
  rms_gain,
)
from rnn_research.models import by_layer, make_taps
from rnn_research.problem import Batch, example_axes
from rnn_research.training.losses import position_losses
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INSPECTION


class LagCurves(NamedTuple):
  """Lag gain of one layer over the examples, log10.

  Attributes:
    loss: of the loss's own gradient, leaves (lags,).
    rms: of a gradient in any direction, leaves (lags,).
    loss_at_events: at each example's lag of each event, leaves (events,).
    rms_at_events: the same for the rms curve; None without events, as above.
    event_lags: median lag of each event, (events,).
  """

  loss: Curves
  rms: Curves
  loss_at_events: Curves | None
  rms_at_events: Curves | None
  event_lags: Int[Array, "events"] | None


def inspection_batch(program: Program, examples: int, held_out: Batch | None) -> Batch:
  """The sequences that every seed and every inspection looks at."""
  if program.task is not None:
    return program.task.sample(jax.random.key(INSPECTION), examples)
  return Batch(
    *(
      leaf if leaf is None else leaf.take(range(min(examples, leaf.shape[axis])), axis)
      for leaf, axis in zip(held_out, example_axes(held_out), strict=True)
    )
  )


@functools.cache
def compile_inspect(program: Program, probes: int) -> Callable[..., Any]:
  """A jitted `(params, batch) -> {layer: LagCurves}` with a leading seed axis."""

  def one_seed(params, batch):
    taps = make_taps(program.inspected, params, batch)

    def own_losses(taps):
      # Each example's own loss: a sum, so that no example sees another's count.
      outputs, variables = program.inspected.apply(
        {"params": params, "taps": taps}, batch, train=False, mutable=["traces"]
      )
      losses = position_losses(program.problem, outputs, batch)
      return losses.sum(), by_layer(variables["traces"])

    readings, traces = jax.grad(own_losses, has_aux=True)(taps)
    return {
      layer: _layer(traces[layer], reading.inside, batch.events, probes)
      for layer, reading in by_layer(readings).items()
    }

  return jax.jit(over_seeds(program.layout, one_seed))


def _layer(trace, adjoint, events, probes) -> LagCurves:
  adjoint = last_state(trace, jax.vmap(flatten_carry)(adjoint))
  # The same directions for every layer, seed and step: curves differ by the network.
  key = jax.random.key(INSPECTION)
  loss = loss_gain(trace, adjoint)
  size = adjoint.shape[-1]
  rms = rms_gain(trace, size, probes if probes < size else 0, key)

  def over(log):
    return over_examples(log, ~jnp.isnan(log))

  if events is None:
    return LagCurves(over(loss), over(rms), None, None, None)
  lags = event_lags(trace, events)
  return LagCurves(
    loss=over(loss),
    rms=over(rms),
    loss_at_events=over(at_events(loss, lags)),
    rms_at_events=over(at_events(rms, lags)),
    event_lags=jnp.median(lags, axis=0).astype(jnp.int32),
  )
