"""One train step of one seed, a pure function of (state, batch)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Key, Params
from rnn_research.cells import select
from rnn_research.diagnostics import LayerReading, layer_reading
from rnn_research.models import by_layer, make_taps
from rnn_research.problem import Batch
from rnn_research.training.flossing import flossing_loss
from rnn_research.training.losses import Tally, tally
from rnn_research.training.optimizer import Ledger, apply_update, descent_cosine
from rnn_research.training.placement import split_batch
from rnn_research.training.program import Program
from rnn_research.training.random_keys import DATA, FLOSSING, NOISE, at_step
from rnn_research.training.state import TrainState
from rnn_research.unroll import scaled_norm


class Detail(NamedTuple):
  """What a logged step tells besides its ledger.

  Attributes:
    gradients: norm of each leaf's gradient, by path, as it was asked for.
    clipped: the same behind the clip.
    demand: what was asked for over the bound, as in `Clipped`.
    params: norm of each leaf.
    updates: norm of each leaf's update.
    cosines: of each leaf's update and its negative gradient.
    layers: what was read on the way back, by layer; empty where nothing was.
  """

  gradients: dict[str, Array]
  clipped: dict[str, Array]
  demand: dict[str, Array]
  params: dict[str, Array]
  updates: dict[str, Array]
  cosines: dict[str, Array]
  layers: dict[str, LayerReading]


def next_batch(program: Program, state: TrainState, given: Batch | None) -> Batch:
  """The batch of the state's step: sampled from its key, or the one given."""
  batch = given
  if program.task is not None:
    key = at_step(state.key, DATA, state.step)
    batch = program.task.sample(key, program.batch)
  return split_batch(program.layout, batch)


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


def plain_step(
  program: Program, state: TrainState, given: Batch | None
) -> tuple[TrainState, Ledger]:
  """A step that keeps its ledger only."""
  batch = next_batch(program, state, given)
  state, ledger, *_ = _update(program, program.model, state, batch)
  return state, ledger


def logged_step(
  program: Program, state: TrainState, given: Batch | None
) -> tuple[TrainState, Ledger, Detail]:
  """The same step, and what its own backward pass tells."""
  batch = next_batch(program, state, given)
  before = state.params
  state, ledger, gradient, applied, readings, (_, traces) = _update(
    program, program.measured, state, batch
  )
  layers = {
    layer: layer_reading(reading, traces[layer].lengths)
    for layer, reading in readings.items()
  }
  detail = Detail(
    gradients=leaf_norms(gradient),
    clipped=leaf_norms(applied.clipped.gradient),
    demand=by_path(applied.clipped.demand),
    params=leaf_norms(before),
    updates=leaf_norms(applied.update),
    cosines=by_path(jax.tree.map(descent_cosine, applied.update, gradient)),
    layers=layers,
  )
  return state, ledger, detail


def by_path(tree: Params) -> dict[str, Array]:
  """The leaves by slash path."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf
    for path, leaf in leaves
  }


def leaf_norms(tree: Params) -> dict[str, Array]:
  """The norm of each leaf, by slash path."""
  return {path: scaled_norm(leaf, 0) for path, leaf in by_path(tree).items()}


def _update(program, model, state, batch):
  taps = make_taps(model, state.params, batch)
  key = at_step(state.key, NOISE, state.step)

  def total_loss(params, taps):
    parts, traces = forward(program, model, params, taps, batch, key)
    total = parts.loss
    if program.flossing.weight:
      directions = at_step(state.key, FLOSSING, state.step)
      added, _ = flossing_loss(program, params, batch, directions)
      total += program.flossing.weight * added * parts.count
    return total, (parts, traces)

  (_, aux), (gradient, readings) = jax.value_and_grad(
    total_loss, argnums=(0, 1), has_aux=True
  )(state.params, taps)
  # Divided behind the backward pass: over several devices the count is then reduced
  # together with the gradient, and what was read is of each example's own loss.
  loss, gradient = jax.tree.map(
    lambda leaf: leaf / aux[0].count, (aux[0].loss, gradient)
  )
  applied = apply_update(
    program.rule.transformation(),
    program.rule.clip,
    state.hyper,
    gradient,
    state.rule_state,
    state.params,
  )
  parts = aux[0]
  error = parts.wrong_sequences / parts.sequences
  ledger = Ledger(loss=loss, error=error, **applied.entries)
  # A sum of two finite numbers may not be: what was moved is asked, too.
  asked = [loss, ledger.norm_before, *jax.tree.leaves(applied.params)]
  finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in asked]).all()
  ok = state.ok & finite
  # A seed that is no longer finite stands still, just before the step that broke it.
  moved = select(
    ok, (applied.params, applied.rule_state), (state.params, state.rule_state)
  )
  new = state._replace(
    step=state.step + 1,
    params=moved[0],
    rule_state=moved[1],
    ok=ok,
    diverged_at=jnp.where(state.ok & ~finite, state.step, state.diverged_at),
  )
  return new, ledger, gradient, applied, by_layer(readings), aux
