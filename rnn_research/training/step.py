"""One train step of one seed, a pure function of (state, batch)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells import select
from rnn_research.diagnostics import LayerReading, Omega, layer_reading
from rnn_research.lanes import every
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
  found = _look(program, program.model, state, next_batch(program, state, given))
  end = functools.partial(_end, program, _cells(found))
  # Dozens of kernels a leaf, each smaller than the call of it.
  new, ledger, _ = one_function(end, state, found.gradient, found.loss, found.tally)
  return new, ledger


def logged_step(
  program: Program, state: TrainState, given: Batch | None
) -> tuple[TrainState, Ledger, Detail]:
  """The same step, and what its own backward pass tells."""
  found = _look(program, program.measured, state, next_batch(program, state, given))
  layers = {}
  if program.measured != program.model:
    layers = {
      layer: layer_reading(reading, found.traces[layer].lengths)
      for layer, reading in found.readings.items()
    }
  end = functools.partial(_end, program, _cells(found))
  arguments = state, found.gradient, found.loss, found.tally
  # Not one function beside a reading: its kernels run with those that read the layers.
  new, ledger, by_leaf = end(*arguments) if layers else one_function(end, *arguments)
  named = {key: ByLeaf.of(state.params, numbers) for key, numbers in by_leaf.items()}
  return new, ledger, Detail(**named, layers=layers, omega=found.omega)


def attempt(program: Program, state: TrainState, batch: Batch) -> tuple[Found, Applied]:
  """The gradient of a step and where it leads, finite or not."""
  found = _look(program, program.model, state, batch)
  return found, _apply(program, state, found.gradient, _cells(found))


def _look(program, model, state, batch):
  """The gradient of the state's step."""
  key = at_step(state.key, NOISE, state.step)
  directions = at_step(state.key, FLOSSING, state.step)
  return differentiate(
    program, model, state.params, batch, (key, directions), state.hyper.omega
  )


def _cells(found):
  return {layer: trace.cell for layer, trace in found.traces.items()}


def _apply(program, state, gradient, cells):
  project = None
  if program.rule.projected:
    bound = state.hyper.singular_bound
    project = functools.partial(project_cells, cells=cells, bound=bound)
  return apply_update(
    program.rule.transformation(),
    program.rule.clip,
    state.hyper,
    gradient,
    state.rule_state,
    state.params,
    project,
  )


def _end(program, cells, state, gradient, loss, parts):
  """What a step does with its gradient: the new state, its ledger, numbers by leaf.

  What isn't asked for of the numbers is left out of a program.
  """
  applied = _apply(program, state, gradient, cells)
  numbers = _by_leaf(state.params, gradient, applied)
  return *_accept(state, loss, parts, applied), numbers


def _by_leaf(params, gradient, applied):
  """The numbers of `Detail` that are one a leaf."""
  trees = [gradient, applied.clipped.gradient, params, applied.update]
  gradients, clipped, params, updates = stacked_norms(trees).reshape(len(trees), -1)
  return {
    "gradients": gradients,
    "clipped": clipped,
    "demand": jnp.stack(jax.tree.leaves(applied.clipped.demand)),
    "params": params,
    "updates": updates,
    "cosines": -leaf_cosines(applied.update, gradient, updates, gradients),
  }


def _accept(state, loss, parts, applied):
  """The state behind a step, if it is finite, and the step's ledger."""
  error = parts.wrong_sequences / parts.sequences
  ledger = Ledger(loss=loss, error=error, **applied.entries)
  # A sum of two finite numbers may not be: what was moved is asked, too.
  asked = [ledger.loss, ledger.norm_before, *jax.tree.leaves(applied.params)]
  finite = jnp.stack([every(jnp.isfinite(leaf)) for leaf in asked]).all()
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
