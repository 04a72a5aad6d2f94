"""The second program: lag gain of every layer, on sequences of its own."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Params
from rnn_research.diagnostics import (
  Curves,
  at_events,
  event_lags,
  flatten_carry,
  last_state,
  loss_gain,
  over_examples,
  path_gain,
  rms_gain,
  sup_gain,
)
from rnn_research.models import by_layer, make_taps
from rnn_research.problem import Batch, example_axes
from rnn_research.training.losses import position_losses
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INSPECTION
from rnn_research.unroll import Trace

SUP_EXAMPLES = 8  # sequences of the sup gain, which goes over them eight times


class SupPoints(NamedTuple):
  """Sup gain of one layer over some examples, log10, at a few lags.

  Attributes:
    gain: leaves (lags,), at the lags of `sup_events` and then at the longest lag.
    lags: each of them, of the median example.
  """

  gain: Curves
  lags: Float[Array, "lags"]


class LagCurves(NamedTuple):
  """Lag gain of one layer over the examples, log10.

  Attributes:
    loss: of the loss's own gradient, leaves (lags,).
    rms: of a gradient in any direction, leaves (lags,).
    path: of the loss's gradient along the direct path alone, leaves (lags,).
    loss_at_events: at each example's lag of each event, leaves (events,).
    rms_at_events: the same for the rms curve; None without events, as above.
    path_at_events: the same for the path.
    event_lags: median lag of each event, (events,).
    sup: of the most favoured direction, at a few lags.
  """

  loss: Curves
  rms: Curves
  path: Curves
  loss_at_events: Curves | None
  rms_at_events: Curves | None
  path_at_events: Curves | None
  event_lags: Int[Array, "events"] | None
  sup: SupPoints


def sup_events(number: int) -> tuple[int, ...]:
  """Which events' lags the sup gain is taken at: the last event's and the first's."""
  return tuple(dict.fromkeys((number - 1, 0))) if number else ()


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


def last_adjoints(
  program: Program, params: Params, batch: Batch
) -> dict[str, tuple[Trace, Float[Array, "batch state"]]]:
  """Each layer's application, and dl/ds of its last valid state, without noise.

  Of each example's own loss: a sum is differentiated, so that no example sees
  another's count.
  """
  taps = make_taps(program.inspected, params, batch)

  def own_losses(taps):
    outputs, variables = program.inspected.apply(
      {"params": params, "taps": taps}, batch, train=False, mutable=["traces"]
    )
    losses = position_losses(program.problem, outputs, batch)
    return losses.sum(), by_layer(variables["traces"])

  readings, traces = jax.grad(own_losses, has_aux=True)(taps)
  return {
    layer: (
      traces[layer],
      last_state(traces[layer], jax.vmap(flatten_carry)(reading.inside)),
    )
    for layer, reading in by_layer(readings).items()
  }


@functools.cache
def compile_inspect(program: Program, probes: int) -> Callable[..., Any]:
  """A jitted `(params, batch) -> {layer: LagCurves}` with a leading seed axis."""

  def one_seed(params, batch):
    return {
      layer: _layer(trace, adjoint, batch.events, probes)
      for layer, (trace, adjoint) in last_adjoints(program, params, batch).items()
    }

  return jax.jit(over_seeds(program.layout, one_seed))


def _layer(trace, adjoint, events, probes) -> LagCurves:
  # The same directions for every layer, seed and step: curves differ by the network.
  key = jax.random.key(INSPECTION)
  size = adjoint.shape[-1]
  curves = (
    loss_gain(trace, adjoint),
    rms_gain(trace, size, probes if probes < size else 0, key),
    path_gain(trace, adjoint),
  )
  sup = _sup(trace, events, key)
  if events is None:
    return LagCurves(*map(_over, curves), None, None, None, None, sup)
  lags = event_lags(trace, events)
  return LagCurves(
    *map(_over, curves),
    *(_over(at_events(curve, lags)) for curve in curves),
    event_lags=jnp.median(lags, axis=0).astype(jnp.int32),
    sup=sup,
  )


def _over(log):
  return over_examples(log, ~jnp.isnan(log))


def _sup(trace, events, key) -> SupPoints:
  some = _first_examples(trace, SUP_EXAMPLES)
  time, batch = some.xs.shape[:2]
  longest = jnp.full((), time) if some.lengths is None else some.lengths.max()
  lags = [jnp.broadcast_to(longest, (batch,))]
  if events is not None:
    at = event_lags(some, events[:batch])
    lags = [at[:, event] for event in sup_events(events.shape[1])] + lags
  points = jnp.stack(lags)
  # All at once and each from the start: a third of the loops that one lag after the
  # other takes, for at most 0.2 decades more below the largest singular value.
  found = jax.vmap(lambda lag: sup_gain(some, (lag,), key=key)[0])(points)
  return SupPoints(_over(found), jnp.median(points, axis=1))


def _first_examples(trace: Trace, number: int) -> Trace:
  """The same application to fewer examples; without noise, as in evaluation."""

  def first(tree):
    return jax.tree.map(lambda leaf: leaf[:number], tree)

  resets = trace.resets
  return dataclasses.replace(
    trace,
    xs=trace.xs[:, :number],
    lengths=first(trace.lengths),
    resets=resets if resets is None else resets[:, :number],
    initial_carry=first(trace.initial_carry),
    context=first(trace.context),
  )
