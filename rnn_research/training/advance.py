"""Many train steps of all seeds in one dispatch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.problem import Batch
from rnn_research.training.optimizer import Ledger
from rnn_research.training.placement import over_seeds, seed_sharding
from rnn_research.training.program import Program
from rnn_research.training.state import TrainState
from rnn_research.training.step import Detail, logged_step, plain_step


@functools.cache
def compile_advance(program: Program, steps: int) -> Callable[..., Any]:
  """A jitted `(state, batches) -> (state, ledger, detail)` over `steps` steps.

  The last step is the logged one. `batches` is None for a task; else its leaves are
  (seeds, steps, ...). The ledger's leaves are (seeds, steps). The state is donated.
  """

  def one_seed(own, _):
    state, batches = own
    return advance_seed(program, steps, state, batches)

  @functools.partial(
    jax.jit, donate_argnums=0, out_shardings=seed_sharding(program.layout)
  )
  def advance(state, batches):
    return over_seeds(program.layout, one_seed)((state, batches), None)

  return advance


def advance_seed(
  program: Program, steps: int, state: TrainState, batches: Batch | None
) -> tuple[TrainState, Ledger, Detail]:
  """The steps of one seed; leaves of the batches and of the ledger (steps, ...)."""

  def logged(state, batch, _):
    return logged_step(program, state, batch)

  def plain(state, batch, detail):
    return *plain_step(program, state, batch), detail

  def body(carry, step):
    state, detail = carry
    last, batch = step
    # A branch of the loop: behind it, the last step would cost more than two of them.
    state, ledger, detail = lax.cond(last, logged, plain, state, batch, detail)
    return (state, detail), ledger

  first = jax.tree.map(lambda leaf: leaf[0], batches)
  *_, shapes = jax.eval_shape(functools.partial(logged_step, program), state, first)
  nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  last = jnp.arange(steps) == steps - 1
  (state, detail), ledger = lax.scan(body, (state, nothing), (last, batches))
  return state, ledger, detail
