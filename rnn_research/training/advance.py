"""Many train steps of all seeds in one dispatch."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Array
from rnn_research.config import Config
from rnn_research.problem import Batch
from rnn_research.training.compilation import compiler_options
from rnn_research.training.optimizer import Ledger
from rnn_research.training.placement import over_seeds, seed_sharding
from rnn_research.training.program import Program
from rnn_research.training.state import TrainState
from rnn_research.training.step import Detail, logged_step, plain_step

# What the rows of a dispatch read of every example stays on the device until all are
# there, so they are few.
MOST_ROWS = 10


def intervals_per_dispatch(config: Config, step: int) -> int:
  """Rows of metrics that one dispatch trains for, from this step on.

  As many as have the config's steps, at least one, and so few that whatever else is due
  is due behind a dispatch. Every dispatch costs the same few tenths of a millisecond.
  """
  train, diagnostics = config.train, config.diagnostics
  due = (
    step,
    train.steps,
    train.eval_every,
    train.checkpoint_every,
    diagnostics.lag_every,
    diagnostics.exponents_every,
  )
  together = math.gcd(*(number // train.log_every for number in due))
  most = min(max(1, train.steps_per_dispatch // train.log_every), MOST_ROWS)
  return max(n for n in range(1, most + 1) if together % n == 0)


@functools.cache
def compile_advance(program: Program, steps: int, intervals: int) -> Callable[..., Any]:
  """A jitted `(state, batches) -> (state, ledger, detail)` over `intervals` of steps.

  The last of an interval's `steps` steps is the logged one. `batches` is None for a
  task; else its leaves are (seeds, intervals steps, ...). The ledger's leaves are
  (seeds, intervals, steps), the detail's (seeds, intervals, ...). The state is donated.
  """

  def one_seed(own, _):
    state, batches = own
    return advance_seed(program, steps, intervals, state, batches)

  @functools.partial(
    jax.jit,
    donate_argnums=0,
    out_shardings=seed_sharding(program.layout),
    compiler_options=compiler_options(program.layout.platform, program.largest_stack),
  )
  def advance(state, batches):
    return over_seeds(program.layout, one_seed)((state, batches), None)

  return advance


def advance_seed(
  program: Program,
  steps: int,
  intervals: int,
  state: TrainState,
  batches: Batch | None,
) -> tuple[TrainState, Ledger, Detail]:
  """The steps of one seed; leaves as above without the seeds."""

  def interval(state, batches):
    before, last = _apart(batches)
    state, ledgers = lax.scan(
      lambda state, batch: plain_step(program, state, batch),
      state,
      before,
      length=steps - 1,
    )
    # Beside the loop and not a branch in it: there the state is copied in every step.
    state, ledger, detail = logged_step(program, state, last)
    return state, (jax.tree.map(_append, ledgers, ledger), detail)

  rows = jax.tree.map(
    lambda leaf: leaf.reshape(intervals, steps, *leaf.shape[1:]), batches
  )
  state, (ledger, detail) = lax.scan(interval, state, rows, length=intervals)
  return state, ledger, detail


def _apart(batches: Batch | None) -> tuple[Batch | None, Batch | None]:
  """All but the last, and the last."""
  return (
    jax.tree.map(lambda leaf: leaf[:-1], batches),
    jax.tree.map(lambda leaf: leaf[-1], batches),
  )


def _append(several: Array, one: Array) -> Array:
  return jnp.concatenate([several, one[None]])
