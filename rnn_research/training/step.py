"""One train step of one seed, a pure function of (state, batch)."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import select
from rnn_research.diagnostics import LayerReading, Omega, layer_reading
from rnn_research.norms import leaf_cosines, stacked_norms
from rnn_research.one_function import one_function
from rnn_research.problem import Batch
from rnn_research.training.by_leaf import ByLeaf
from rnn_research.training.objective import Found, differentiate
from rnn_research.training.optimizer import Applied, Ledger, apply_update
from rnn_research.training.placement import split_batch, splits_batch
from rnn_research.training.program import Program
from rnn_research.training.projection import project_cells
from rnn_research.training.random_keys import DATA, FLOSSING, NOISE, at_step
from rnn_research.training.state import TrainState


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
    omega: the penalty of each layer; empty without regularizer.
  """

  gradients: ByLeaf
  clipped: ByLeaf
  demand: ByLeaf
  params: ByLeaf
  updates: ByLeaf
  cosines: ByLeaf
  layers: dict[str, LayerReading]
  omega: dict[str, Omega]


def next_batch(program: Program, state: TrainState, given: Batch | None) -> Batch:
  """The batch of the state's step: sampled from its key, or the one given."""
  if program.task is None:
    return split_batch(program.layout, given)

  def draw(key, step):
    return program.task.sample(at_step(key, DATA, step), program.batch)

  if splits_batch(program.layout):
    return split_batch(program.layout, draw(state.key, state.step))
  return one_function(draw, state.key, state.step)


def plain_step(
  program: Program, state: TrainState, given: Batch | None
) -> tuple[TrainState, Ledger]:
  """A step that keeps its ledger only."""
  batch = next_batch(program, state, given)
  found, applied = attempt(program, program.model, state, batch)
  return _accept(state, found, applied)


def logged_step(
  program: Program, state: TrainState, given: Batch | None
) -> tuple[TrainState, Ledger, Detail]:
  """The same step, and what its own backward pass tells."""
  batch = next_batch(program, state, given)
  found, applied = attempt(program, program.measured, state, batch)
  layers = {}
  if program.measured != program.model:
    layers = {
      layer: layer_reading(reading, found.traces[layer].lengths)
      for layer, reading in found.readings.items()
    }
  trees = [found.gradient, applied.clipped.gradient, state.params, applied.update]
  gradients, clipped, params, updates = stacked_norms(trees).reshape(len(trees), -1)
  cosines = -leaf_cosines(applied.update, found.gradient, updates, gradients)
  name = functools.partial(ByLeaf.of, state.params)
  detail = Detail(
    gradients=name(gradients),
    clipped=name(clipped),
    demand=ByLeaf.stacked(applied.clipped.demand),
    params=name(params),
    updates=name(updates),
    cosines=name(cosines),
    layers=layers,
    omega=found.omega,
  )
  return *_accept(state, found, applied), detail


def attempt(
  program: Program, model: Any, state: TrainState, batch: Batch
) -> tuple[Found, Applied]:
  """The gradient of a step and where it leads, finite or not."""
  key = at_step(state.key, NOISE, state.step)
  directions = at_step(state.key, FLOSSING, state.step)
  found = differentiate(
    program, model, state.params, batch, (key, directions), state.hyper.omega
  )
  project = None
  if program.rule.projected:
    cells = {layer: trace.cell for layer, trace in found.traces.items()}
    bound = state.hyper.singular_bound
    project = functools.partial(project_cells, cells=cells, bound=bound)
  applied = apply_update(
    program.rule.transformation(),
    program.rule.clip,
    state.hyper,
    found.gradient,
    state.rule_state,
    state.params,
    project,
  )
  return found, applied


def _accept(state, found, applied):
  """The state behind a step, if it is finite, and the step's ledger."""
  parts = found.tally
  error = parts.wrong_sequences / parts.sequences
  ledger = Ledger(loss=found.loss, error=error, **applied.entries)
  # A sum of two finite numbers may not be: what was moved is asked, too.
  asked = [ledger.loss, ledger.norm_before, *jax.tree.leaves(applied.params)]
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
  return new, ledger
