"""Why a seed stands still: the step that was not finite, run once more."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int

from rnn_research.array_types import AnyArray
from rnn_research.diagnostics import first_nonfinite_adjoint, first_nonfinite_state
from rnn_research.models import by_layer, make_taps
from rnn_research.training.by_leaf import ByLeaf
from rnn_research.training.objective import forward
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import NOISE, at_step
from rnn_research.training.step import attempt, next_batch


class Autopsy(NamedTuple):
  """What the step of one seed was like; a leading axis on every leaf for all seeds.

  Attributes:
    forward: of each layer, the first time step whose state is not finite; -1 if all.
    adjoint: the same of its adjoint, first on the way back: that of all steps,
      unedited, also where the run was trained with less.
    loss: whether the loss is finite.
    gradient: whether each leaf of the run's own gradient is, by path.
    params: whether each leaf would have been, moved.
  """

  forward: dict[str, Int[AnyArray, "*seeds"]]
  adjoint: dict[str, Int[AnyArray, "*seeds"]]
  loss: Bool[AnyArray, "*seeds"]
  gradient: ByLeaf
  params: ByLeaf


@functools.cache
def compile_autopsy(program: Program) -> Callable[..., Any]:
  """A jitted `(state, batch) -> Autopsy` of frozen seeds."""

  def one_seed(own, _):
    state, given = own
    state = state._replace(step=jnp.maximum(state.diverged_at, 0))
    batch = next_batch(program, state, given)
    taps = make_taps(program.inspected, state.params, batch)
    key = at_step(state.key, NOISE, state.step)

    def total_loss(taps):
      parts, traces = forward(
        program, program.inspected, state.params, taps, batch, key
      )
      return parts.loss, traces

    readings, traces = jax.grad(total_loss, has_aux=True)(taps)
    readings = by_layer(readings)
    found, applied = attempt(program, state, batch)
    return Autopsy(
      forward={layer: first_nonfinite_state(traces[layer]) for layer in readings},
      adjoint={
        layer: first_nonfinite_adjoint(reading.inside, traces[layer].reverse)
        for layer, reading in readings.items()
      },
      loss=jnp.isfinite(found.loss),
      gradient=_finite_leaves(found.gradient),
      params=_finite_leaves(applied.params),
    )

  return jax.jit(
    lambda state, batch: over_seeds(program.layout, one_seed)((state, batch), None)
  )


def explain(autopsy: Autopsy) -> dict[str, Any]:
  """The cause of one seed's end, for the records.

  Returns:
    `cause`, the first of these that broke: "forward" (a state), "loss" (of finite
    states), "adjoint" (of a finite loss), "gradient" (a sum of finite adjoints, or
    the penalty's), "optimizer" (the move along a finite gradient); `layer`, where: of
    a state the lowest layer, since no other feeds it, of an adjoint for the same
    reason the topmost, of a gradient and a move the leaf, and None of a loss; `time`,
    the first time step that broke there, None where there is none; and under `layers`
    the first time step of both passes of every layer, -1 where all are finite.
  """
  order = sorted(autopsy.forward, key=_place)
  layers = {
    layer: {
      "forward": int(autopsy.forward[layer]),
      "adjoint": int(autopsy.adjoint[layer]),
    }
    for layer in order
  }

  def named(cause, layer=None, time=None):
    return {"cause": cause, "layer": layer, "time": time, "layers": layers}

  if not autopsy.loss:
    for layer in order:
      if layers[layer]["forward"] >= 0:
        return named("forward", layer, layers[layer]["forward"])
    return named("loss")
  broken = _first_broken(autopsy.gradient)
  if broken is None:
    return named("optimizer", _first_broken(autopsy.params))
  for layer in reversed(order):
    if layers[layer]["adjoint"] >= 0:
      return named("adjoint", layer, layers[layer]["adjoint"])
  return named("gradient", broken)


def _finite_leaves(tree):
  return ByLeaf.stacked(jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), tree))


def _first_broken(finite: Mapping[str, Any]) -> str | None:
  return next((path for path, fine in finite.items() if not fine), None)


def _place(layer: str) -> tuple[bool, list[int]]:
  """From the input to the output: an encoder, then its decoder; layer 2 before 10."""
  return not layer.startswith("encoder"), [int(n) for n in re.findall(r"\d+", layer)]
