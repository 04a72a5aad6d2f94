"""Loss and error of every seed on held-out sequences."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rnn_research.array_types import Array
from rnn_research.problem import Batch, example_axes
from rnn_research.training.losses import tally
from rnn_research.training.placement import (
  Layout,
  over_seeds,
  place_shared,
  seed_sharding,
)
from rnn_research.training.program import Program
from rnn_research.training.random_keys import HELD_OUT

CHUNK = 500  # sequences at once: bounds memory, large enough to keep cores busy


@functools.cache
def compile_evaluate(program: Program) -> Callable[..., Any]:
  """A jitted `(params, chunks, pieces)` -> loss, error, position_error, sequences.

  `chunks` has a leading axis: keys of a task, or batches of a data set. The first
  `pieces` of them are judged; a number, not a shape, so that the evaluations on the
  way and the longer last one are one program.
  """

  def one_piece(params, piece):
    batch = piece
    if program.task is not None:
      batch = program.task.sample(piece, CHUNK)
    outputs = program.model.apply({"params": params}, batch, train=False)
    return tally(program.problem, outputs, batch)

  def one_seed(params, shared):
    chunks, pieces = shared

    def piece(index):
      return one_piece(params, jax.tree.map(lambda leaf: leaf[index], chunks))

    zero = jax.tree.map(
      lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(piece, 0)
    )
    total = lax.fori_loop(
      0, pieces, lambda i, sums: jax.tree.map(jnp.add, sums, piece(i)), zero
    )
    return {
      "loss": total.loss / total.count,
      "error": total.wrong_sequences / total.sequences,
      "position_error": total.wrong_positions / total.count,
      "sequences": total.sequences,
    }

  @jax.jit
  def evaluate(params, chunks, pieces):
    return over_seeds(program.layout, one_seed)(params, (chunks, pieces))

  return evaluate


def pieces_of(examples: int) -> int:
  """Pieces that hold at least so many fresh sequences."""
  return -(-examples // CHUNK)


def fresh_chunks(program: Program, examples: int) -> Array:
  """Keys of at least `examples` sequences that no seed trains on."""
  # Folded, not split: the first pieces are the same however many there are.
  keys = jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(HELD_OUT)))(
    jnp.arange(pieces_of(examples))
  )
  return place_shared(program.layout, keys)


def held_out_chunks(program: Program, batch: Batch) -> Batch:
  """A data set's held-out part in pieces; the last one filled up with weight 0."""
  size = batch.weights.shape[-1]
  pieces = -(-size // CHUNK)
  chunk = -(-size // pieces)

  def cut(leaf, axis):
    missing = pieces * chunk - size
    width = [(0, missing if a == axis else 0) for a in range(leaf.ndim)]
    return np.stack(np.split(np.pad(leaf, width), pieces, axis))

  cuts = [
    leaf if leaf is None else cut(leaf, axis)
    for leaf, axis in zip(batch, example_axes(batch), strict=True)
  ]
  return place_shared(program.layout, Batch(*cuts))


@functools.cache
def compile_keep_best(layout: Layout) -> Callable[..., Any]:
  """A jitted `(state, error) -> state` that remembers each seed's best parameters.

  Those with the lowest held-out error so far.
  """

  @functools.partial(jax.jit, out_shardings=seed_sharding(layout))
  def keep_best(state, error):
    better = state.ok & (error < state.best_error)

    def pick(new, old):
      return jnp.where(better.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)

    return state._replace(
      best_error=jnp.where(better, error, state.best_error),
      best_params=jax.tree.map(pick, state.params, state.best_params),
    )

  return keep_best
