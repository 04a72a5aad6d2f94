"""How much of a batch's gradient is signal: the same for every batch of the problem.

With G_i the gradients of n batches, |mean|^2 over the mean of |G_i|^2, unbiased:

    share = (|sum_i G_i|^2 - sum_i |G_i|^2) / ((n - 1) sum_i |G_i|^2)

1 where all batches agree, 0 where they are noise; B (1 - share) / share is the simple
noise scale of McCandlish et al. 2018 ("An Empirical Model of Large-Batch Training",
eq. 2.9) at batch size B. Sequences are drawn afresh, or held out: what training was
fed plays no part.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Params
from rnn_research.problem import Batch, example_axes
from rnn_research.training.losses import tally
from rnn_research.training.placement import over_seeds, place_shared
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INSPECTION

BATCHES = 64
FIRST_KEY = 100  # of the inspection's own, behind those of the swap


class Signal(NamedTuple):
  """What the problem's own batches say of a network.

  Attributes:
    share: of a batch's squared gradient that all batches have in common.
    error: its standard error, from four groups of batches.
    gradient: norm of the mean gradient, 0 where its square is estimated below 0.
    loss: mean loss.
  """

  share: Float[Array, "*seeds"]
  error: Float[Array, "*seeds"]
  gradient: Float[Array, "*seeds"]
  loss: Float[Array, "*seeds"]


GROUPS = 4


def signal_chunks(program: Program, held_out: Batch | None) -> Any:
  """Keys of a task's batches, or a data set's held-out part in as many as it holds."""
  if held_out is None:
    key = jax.random.key(INSPECTION)
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(
      jnp.arange(FIRST_KEY, FIRST_KEY + BATCHES)
    )
    return place_shared(program.layout, keys)
  size = held_out.weights.shape[-1]
  batch = min(program.batch, size // GROUPS)
  count = min(BATCHES, size // batch) // GROUPS * GROUPS

  def cut(leaf, axis):
    kept = np.take(leaf, np.arange(count * batch), axis)
    return np.stack(np.split(kept, count, axis))

  cuts = [
    leaf if leaf is None else cut(np.asarray(leaf), axis)
    for leaf, axis in zip(held_out, example_axes(held_out), strict=True)
  ]
  return place_shared(program.layout, Batch(*cuts))


def shares(
  total: Float[Array, "..."], squares: Float[Array, "..."], count: int
) -> Float[Array, "..."]:
  """The share above, of |sum|^2, sum of |G|^2 and n; 0 where no gradient is."""
  safe = jnp.where(squares > 0, squares, 1)
  return jnp.where(squares > 0, (total - squares) / ((count - 1) * safe), 0)


@functools.cache
def compile_signal(program: Program) -> Callable[..., Signal]:
  """A jitted `(params, chunks) -> Signal` with a leading seed axis."""

  def mean_loss(params: Params, batch: Batch):
    outputs = program.inspected.apply({"params": params}, batch, train=False)
    parts = tally(program.problem, outputs, batch)
    return parts.loss / parts.count

  def one_seed(params, chunks):
    def one(sums, chunk):
      batch = chunk
      if program.task is not None:
        batch = program.task.sample(chunk, program.batch)
      loss, gradient = jax.value_and_grad(mean_loss)(params, batch)
      whole, squares, losses = sums
      whole = jax.tree.map(jnp.add, whole, gradient)
      return (whole, squares + _square(gradient), losses + loss), None

    groups = jax.tree.map(
      lambda leaf: leaf.reshape(GROUPS, -1, *leaf.shape[1:]), chunks
    )
    each = jax.tree.leaves(groups)[0].shape[1]
    nothing = jnp.zeros((), jax.tree.leaves(params)[0].dtype)
    start = (jax.tree.map(jnp.zeros_like, params), nothing, nothing)

    def group(chunks):
      return lax.scan(one, start, chunks)[0]

    whole, squares, losses = lax.map(group, groups)
    own = jax.vmap(_square)(whole)
    found = shares(own, squares, each)
    count = GROUPS * each
    total = _square(jax.tree.map(lambda leaf: leaf.sum(0), whole))
    squared = (total - squares.sum()) / (count * (count - 1))
    return Signal(
      share=shares(total, squares.sum(), count),
      error=found.std(ddof=1) / jnp.sqrt(jnp.asarray(GROUPS, found.dtype)),
      gradient=jnp.sqrt(jnp.maximum(squared, 0)),
      loss=losses.sum() / count,
    )

  return jax.jit(over_seeds(program.layout, one_seed))


def _square(tree: Params) -> Array:
  return jnp.stack([jnp.square(leaf).sum() for leaf in jax.tree.leaves(tree)]).sum()
