"""Everything of a seed that training changes."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Shaped

from rnn_research.array_types import Array, Key, Params
from rnn_research.problem import Batch
from rnn_research.training.optimizer import Hyper
from rnn_research.training.placement import place_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INIT, at_step

NEVER = -1


class TrainState(NamedTuple):
  """One seed; with a leading axis on every leaf, all seeds of a run.

  Attributes:
    step: updates made, or that would have been made by a frozen seed.
    params: plain nested dict.
    rule_state: the optimizer's.
    hyper: learning rate and clip norm.
    key: the seed's own.
    ok: False once something was not finite; the seed then stands still.
    diverged_at: the step whose update would not have been finite, or -1.
    best_error: lowest held-out error so far.
    best_params: the parameters that had it.
  """

  step: Int[Array, "*seeds"]
  params: Params
  rule_state: Any
  hyper: Hyper
  key: Key
  ok: Bool[Array, "*seeds"]
  diverged_at: Int[Array, "*seeds"]
  best_error: Float[Array, "*seeds"]
  best_params: Params


def make_state(
  program: Program, keys: Shaped[Array, "seeds"], hyper: Hyper, example: Batch
) -> TrainState:
  """Draws the parameters of all seeds.

  Args:
    program: of the run.
    keys: one a seed.
    hyper: the same for all seeds.
    example: a batch, or the shapes of one.
  """

  @jax.jit
  def start(keys):
    return jax.vmap(functools.partial(_start, program, hyper, example))(keys)

  return place_seeds(program.layout, start(keys))


def _start(program, hyper, example, key):
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), example)
  params = program.model.init(at_step(key, INIT, 0), zeros, train=False)["params"]
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    rule_state=program.rule.transformation().init(params),
    hyper=hyper,
    key=key,
    ok=jnp.ones((), bool),
    diverged_at=jnp.full((), NEVER, jnp.int32),
    best_error=jnp.full((), jnp.inf, float),
    best_params=jax.tree.map(jnp.copy, params),
  )
