"""Train steps with each diagnostic on and off, as programs of a run."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from benchmarks.serving import Here
from configs import temporal_order
from rnn_research.config import Config
from rnn_research.diagnostics import Reading
from rnn_research.training.advance import advance_seed, intervals_per_dispatch
from rnn_research.training.exponents import compile_exponents
from rnn_research.training.inspection import compile_inspect, inspection_batch
from rnn_research.training.objective import differentiate
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.program import Program
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.rows import spectrum_row
from rnn_research.training.run import Run
from rnn_research.training.start import start
from rnn_research.training.state import make_state
from rnn_research.training.step import next_batch, plain_step

BARE = "bare"
LOGGED = "logged"
GRADIENT = "gradient"
INSPECTION = "inspection"
EXPONENTS = "exponents"
READINGS = {
  "adjoint": Reading(True, False, False),
  "saturation": Reading(False, True, False),
  "weights": Reading(False, False, True),
  "everything": Reading(),
}


def make_run(
  cell: str, hidden: int, length: int, reading: Reading, folder: pathlib.Path
) -> Run:
  """The run of the config, not begun."""
  config = temporal_order.get_config()
  config.seeds = 1
  config.model.cell, config.model.hidden = cell, hidden
  config.task.length = length
  for name in ("adjoint", "saturation", "weights"):
    setattr(config.diagnostics, name, getattr(reading, name))
  return start(config, str(folder))


def bare_step(program: Program, state: Any, given: Any) -> tuple[Any]:
  """A step that keeps nothing but the state, so that nothing else is computed."""
  state, _ = plain_step(program, state, given)
  return (state,)


def gradient_step(program: Program, state: Any, given: Any) -> tuple[Any, Any]:
  """The gradient of a step's batch alone: nothing is moved."""
  batch = next_batch(program, state, given)
  keys = state.key, state.key
  found = differentiate(program, program.model, state.params, batch, keys, 0.0)
  return state._replace(step=state.step + 1), found.gradient


def steps_of(run: Run, steps: int, step: Callable) -> Here:
  """A dispatch of equal steps."""

  @jax.jit
  def dispatch(state):
    def body(state, _):
      state, *kept = step(run.program, state, None)
      return state, kept

    return lax.scan(body, state, length=steps)

  return Here([_way(dispatch, first_state(run))])


def steps_of_dispatch(config: Config) -> int:
  """Train steps of a dispatch of training."""
  return intervals_per_dispatch(config, 0) * config.train.log_every


def shipped(run: Run) -> Here:
  """A dispatch as training makes it, of one seed."""
  every = run.config.train.log_every
  intervals = intervals_per_dispatch(run.config, 0)

  @jax.jit
  def dispatch(state):
    return advance_seed(run.program, every, intervals, state, None)

  return Here([_way(dispatch, first_state(run))])


def inspection_of(run: Run) -> Here:
  """Lag gain of every layer, and the spectra of its matrices on the host."""
  program, config = run.program, run.config
  batch = inspection_batch(program, config.diagnostics.lag_examples, None)
  inspect = compile_inspect(program, config.diagnostics.lag_probes)
  params = jax.tree.map(lambda leaf: leaf[None], first_state(run).params)
  cells = {"layer_0": program.model.stacked.cell}

  def way():
    found = jax.block_until_ready(inspect(params, batch))
    spectrum_row(cells, jax.device_get(params))
    return found

  way()
  return Here([way])


def exponents_of(run: Run, count: int, examples: int) -> Here:
  """The largest Lyapunov exponents on some sequences."""
  batch = inspection_batch(run.program, examples, None)
  measure = compile_exponents(run.program, count)
  params = jax.tree.map(lambda leaf: leaf[None], first_state(run).params)

  def way():
    return jax.block_until_ready(measure(params, batch))

  way()
  return Here([way])


def first_state(run: Run) -> Any:
  """One seed's first state, without the seed axis."""
  config = run.config
  states = make_state(
    run.program,
    seed_keys(config.seed, config.seeds),
    make_hyper(config),
    run.source.shapes(config.train.batch),
  )
  return jax.tree.map(lambda leaf: leaf[0], states)


def _way(dispatch: Callable, state: Any) -> Callable[[], Any]:
  way = functools.partial(_finish, dispatch, state)
  way()
  return way


def _finish(dispatch, state):
  return jax.block_until_ready(dispatch(state))
