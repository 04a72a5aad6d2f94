"""Gradient flossing: exponents are pushed to zero, so that gradients pass.

    loss = mean over the first k exponents of lambda_i^2

differentiated through the QR (Engelken 2023, eq. 4). Before training, as so many
updates of their own; during training, as a term that is added to the loss.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Key, Params, Scalar
from rnn_research.cells import select
from rnn_research.models import make_traces
from rnn_research.problem import Batch, example_axes
from rnn_research.training.exponents import largest_exponents
from rnn_research.training.placement import over_seeds, seed_sharding
from rnn_research.training.program import Program
from rnn_research.training.random_keys import FLOSSING, at_step
from rnn_research.unroll import Trace

CLIP = 1.0  # on the norm of flossing's own gradient, which can explode, too


class Flossed(NamedTuple):
  """What flossing before training did to one seed.

  Attributes:
    loss: before each update, (updates,).
    before: exponents of each layer, mean over examples, (count,).
    after: the same on the same sequences behind the last update.
  """

  loss: Float[Array, "*seeds updates"]
  before: dict[str, Float[Array, "*seeds count"]]
  after: dict[str, Float[Array, "*seeds count"]]


def flossing_loss(
  program: Program, params: Params, batch: Batch, key: Key
) -> tuple[Scalar, dict[str, Array]]:
  """Mean square of the leading exponents over layers, and the exponents.

  Of the first examples of a batch and their first steps, as many as the program's
  flossing says. A direction that is lost has no finite exponent and no derivative:
  it is left out.

  Returns:
    The loss, and (count, examples) of each layer.
  """
  asked = program.flossing
  traces = make_traces(program.model, params, first_examples(batch, asked.examples))
  exponents, losses = {}, []
  for layer, trace in traces.items():
    # A QR behind every step: its gradient is that of one and the same program.
    found = largest_exponents(
      _first_steps(trace, asked.horizon), asked.exponents, key, interval=1
    )
    finite = jnp.isfinite(found)
    squares = jnp.square(jnp.where(finite, found, 0))
    number = jnp.maximum(finite.sum(), 1).astype(squares.dtype)
    losses.append(squares.sum() / number)
    exponents[layer] = found
  return jnp.stack(losses).mean(), exponents


@functools.cache
def compile_flossing(program: Program) -> Callable[..., Any]:
  """A jitted `(keys, params, given) -> (params, Flossed)` with a leading seed axis.

  All updates in one dispatch, by Adam. A task's sequences are fresh at every update;
  a data set's are those of `given`, one batch a seed. An update that is not finite
  is not made.
  """
  asked = program.flossing
  rule = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(asked.learning_rate))

  def one_seed(own, _):
    key, params, given = own

    def loss(params, step):
      data, directions = jax.random.split(at_step(key, FLOSSING, step))
      batch = given
      if program.task is not None:
        batch = program.task.sample(data, asked.examples)
      return flossing_loss(program, params, batch, directions)

    def update(state, step):
      params, moments = state
      (value, _), gradient = jax.value_and_grad(loss, has_aux=True)(params, step)
      # Optax mixes types, whatever is set elsewhere.
      with jax.numpy_dtype_promotion("standard"):
        change, after = rule.update(gradient, moments, params)
      moved = optax.apply_updates(params, change), after
      finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(moved)])
      return select(finite.all(), moved, state), value

    _, before = loss(params, asked.before)
    steps = jnp.arange(asked.before)
    (params, _), losses = lax.scan(update, (params, rule.init(params)), steps)
    _, after = loss(params, asked.before)
    before, after = jax.tree.map(lambda found: found.mean(1), (before, after))
    return params, Flossed(losses, before, after)

  @functools.partial(jax.jit, out_shardings=seed_sharding(program.layout))
  def floss(keys, params, given):
    return over_seeds(program.layout, one_seed)((keys, params, given), None)

  return floss


def first_examples(batch: Batch, count: int) -> Batch:
  """At most so many examples of a batch."""
  return Batch(
    *(
      leaf
      if leaf is None
      else lax.slice_in_dim(leaf, 0, min(count, leaf.shape[axis]), axis=axis)
      for leaf, axis in zip(batch, example_axes(batch), strict=True)
    )
  )


def _first_steps(trace: Trace, horizon: int) -> Trace:
  """The trace of the first steps alone; 0 is all of them."""
  time = trace.xs.shape[0]
  if not horizon or horizon >= time:
    return trace
  lengths = trace.lengths
  return dataclasses.replace(
    trace,
    xs=trace.xs[:horizon],
    lengths=None if lengths is None else jnp.minimum(lengths, horizon),
    resets=None if trace.resets is None else trace.resets[:horizon],
  )
