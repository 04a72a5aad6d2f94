"""Many train steps of all seeds in one dispatch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.training.placement import over_seeds, seed_sharding
from rnn_research.training.program import Program
from rnn_research.training.step import logged_step, plain_step


@functools.cache
def compile_advance(program: Program, steps: int) -> Callable[..., Any]:
  """A jitted `(state, batches) -> (state, ledger, detail)` over `steps` steps.

  The last step is the logged one. `batches` is None for a task; else its leaves are
  (seeds, steps, ...). The ledger's leaves are (seeds, steps). The state is donated.
  """

  def one_seed(own, _):
    state, batches = own
    first = jax.tree.map(lambda x: x[:-1], batches)
    last = jax.tree.map(lambda x: x[-1], batches)

    def body(state, batch):
      return plain_step(program, state, batch)

    state, ledger = lax.scan(body, state, first, length=steps - 1)
    state, entry, detail = logged_step(program, state, last)
    ledger = jax.tree.map(
      lambda rows, row: jnp.concatenate([rows, row[None]]), ledger, entry
    )
    return state, ledger, detail

  @functools.partial(
    jax.jit, donate_argnums=0, out_shardings=seed_sharding(program.layout)
  )
  def advance(state, batches):
    return over_seeds(program.layout, one_seed)((state, batches), None)

  return advance
