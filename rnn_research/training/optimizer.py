"""From gradient to update, and the ledger of what clipping did on the way."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Params, Scalar
from rnn_research.config import OptimizerConfig
from rnn_research.unroll import scaled_norm


class Hyper(NamedTuple):
  """Numbers that may differ between runs of one compiled program."""

  learning_rate: Float[Array, ""]
  clip_bound: Float[Array, ""]  # infinity: no clipping


class Ledger(NamedTuple):
  """One step's account of what was asked for and what was done.

  Attributes:
    loss: training loss per supervised position, before the update.
    error: fraction of wrong sequences in the batch.
    norm_before: global norm of the gradient that was asked for.
    norm_after: the same behind the clip.
    shrink: norm_after / norm_before, 1 where nothing was clipped.
    clipped: whether the clip acted.
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


def make_hyper(config: OptimizerConfig) -> Hyper:
  """The numbers of a config; `clip_bound` 0 turns clipping off."""
  return Hyper(
    learning_rate=jnp.asarray(config.learning_rate, float),
    clip_bound=jnp.asarray(config.clip_bound or jnp.inf, float),
  )


def global_norm(tree: Params) -> Scalar:
  """Euclidean norm of all leaves together, safe from overflow and underflow."""
  norms = jnp.stack([scaled_norm(leaf, keep=0) for leaf in jax.tree.leaves(tree)])
  return scaled_norm(norms, keep=0)


def clip(gradient: Params, bound: Scalar) -> tuple[Params, Scalar, Scalar]:
  """Scales the gradient down to the bound (Pascanu, Mikolov and Bengio 2013).

  Returns:
    The gradient, its norm before, and the factor. The norm can't overflow, so an
    entry of 1e20 in float32 is scaled and not silently turned into zero.
  """
  norm = global_norm(gradient)
  factor = jnp.where(norm > bound, bound / norm, jnp.ones_like(norm))
  return jax.tree.map(lambda g: g * factor, gradient), norm, factor


def apply_update(
  rule: optax.GradientTransformation,
  hyper: Hyper,
  gradient: Params,
  rule_state: optax.OptState,
  params: Params,
) -> tuple[Params, Params, optax.OptState, dict[str, Array]]:
  """One step of clip, rule and learning rate.

  Returns:
    New parameters, the update, the rule's state, and the ledger's entries.
  """
  clipped, norm, factor = clip(gradient, hyper.clip_bound)
  # Optax mixes types (a float to the power of its count), whatever is set elsewhere.
  with jax.numpy_dtype_promotion("standard"):
    direction, rule_state = rule.update(clipped, rule_state, params)
  update = jax.tree.map(lambda d: -hyper.learning_rate * d, direction)
  moved = optax.apply_updates(params, update)
  update_norm = global_norm(update)
  entries = {
    "norm_before": norm,
    "norm_after": norm * factor,
    "shrink": factor,
    "clipped": norm > hyper.clip_bound,
    "update_norm": update_norm,
    "update_relative": update_norm / global_norm(params),
    "cosine": -_cosine(update, gradient, update_norm, norm),
  }
  return moved, update, rule_state, entries


def _cosine(a: Params, b: Params, norm_a: Scalar, norm_b: Scalar) -> Scalar:
  """Each side is divided by its norm first: a product of two could underflow."""

  def unit(leaf, norm):
    return leaf / jnp.where(norm > 0, norm, 1)

  parts = jax.tree.map(lambda x, y: jnp.sum(unit(x, norm_a) * unit(y, norm_b)), a, b)
  return jnp.stack(jax.tree.leaves(parts)).sum()
