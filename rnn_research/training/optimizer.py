"""From gradient to update, and the ledger of what clipping did on the way."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Params, Scalar
from rnn_research.config import Config
from rnn_research.norms import global_norm, leaf_cosines
from rnn_research.training.clipping import Clipped, clip


class Hyper(NamedTuple):
  """Numbers that may differ between runs of one compiled program."""

  learning_rate: Float[Array, ""]
  clip_bound: Float[Array, ""]  # infinity: no clipping
  omega: Float[Array, ""]  # weight of the regularizer
  singular_bound: Float[Array, ""]  # of the projection


class Ledger(NamedTuple):
  """One step's account of what was asked for and what was done.

  Attributes:
    loss: training loss per supervised position, before the update.
    error: fraction of wrong sequences in the batch.
    norm_before: global norm of the gradient that was asked for.
    norm_after: the same behind the clip.
    shrink: norm_after / norm_before, 1 where nothing was clipped.
    clipped: whether the clip acted, on whatever part of the gradient.
    update_norm: |update|, what the parameters really moved by.
    update_relative: |update| / |parameters|.
    cosine: of update and negative gradient; 1 is steepest descent.
  """

  loss: Scalar
  error: Scalar
  norm_before: Scalar
  norm_after: Scalar
  shrink: Scalar
  clipped: Bool[Array, ""]
  update_norm: Scalar
  update_relative: Scalar
  cosine: Scalar


RULES = {
  "adam": lambda config: optax.scale_by_adam(),
  "sgd": lambda config: (
    optax.trace(config.momentum) if config.momentum else optax.identity()
  ),
  "rmsprop": lambda config: optax.scale_by_rms(decay=0.9),
}


def make_hyper(config: Config) -> Hyper:
  """The numbers of a config; `clip_bound` 0 turns clipping off."""
  return Hyper(
    learning_rate=jnp.asarray(config.optimizer.learning_rate, float),
    clip_bound=jnp.asarray(config.optimizer.clip_bound or jnp.inf, float),
    omega=jnp.asarray(config.regularizer.omega, float),
    singular_bound=jnp.asarray(config.optimizer.singular_bound, float),
  )


class Applied(NamedTuple):
  """What one step of the optimizer did.

  Attributes:
    params: the new ones.
    rule_state: the new one.
    update: what was added to the parameters.
    clipped: the gradient behind its clip.
    entries: the ledger's, but for loss and error.
  """

  params: Params
  rule_state: optax.OptState
  update: Params
  clipped: Clipped
  entries: dict[str, Array]


def apply_update(
  rule: optax.GradientTransformation,
  kind: str,
  hyper: Hyper,
  gradient: Params,
  rule_state: optax.OptState,
  params: Params,
  project: Callable[[Params], Params] | None = None,
) -> Applied:
  """One step of clip, rule, learning rate and projection.

  Args:
    rule: gradient to direction.
    kind: of the clip, one of `clipping.KINDS`.
    hyper: the numbers.
    gradient: what was asked for.
    rule_state: of the rule.
    params: what is moved.
    project: where they may be; the update is what they moved by in the end.
  """
  clipped = clip(kind, gradient, params, hyper.clip_bound)
  # Optax mixes types (a float to the power of its count), whatever is set elsewhere.
  with jax.numpy_dtype_promotion("standard"):
    direction, rule_state = rule.update(clipped.gradient, rule_state, params)
  update = jax.tree.map(lambda d: -hyper.learning_rate * d, direction)
  moved = optax.apply_updates(params, update)
  if project is not None:
    moved = project(moved)
    update = jax.tree.map(jnp.subtract, moved, params)
  update_norm = global_norm(update)
  before, after = clipped.norm_before, clipped.norm_after
  entries = {
    "norm_before": before,
    "norm_after": after,
    "shrink": jnp.where(clipped.acted, after / before, jnp.ones_like(before)),
    "clipped": clipped.acted,
    "update_norm": update_norm,
    "update_relative": update_norm / global_norm(params),
    "cosine": -leaf_cosines(update, gradient, update_norm, before).sum(),
  }
  return Applied(moved, rule_state, update, clipped, entries)
