"""Bounds on a gradient: four kinds, each of which scales or cuts what is too large.

norm      the norm of all leaves together, |g| <= bound (Pascanu, Mikolov and Bengio
          2013, algorithm 1); keeps the direction
value     every entry, |g_i| <= bound (Mikolov 2012, section 3.2.2)
leaf      the norm of every leaf (one kernel, one bias) by itself, |g_l| <= bound;
          the per-layer clipping of McMahan et al. (2018) with one bound for all
adaptive  of every unit, |g_u| <= bound * max(|w_u|, 1e-3) (Brock et al. 2021, AGC,
          equation 3): a unit is a column of a kernel, its incoming weights; a
          vector is one unit

No norm can overflow, so an entry of 1e20 in float32 is scaled and not turned into zero.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Params, Scalar
from rnn_research.lanes import largest
from rnn_research.norms import global_norm, leaf_norms, scaled_norm

LEAST = 1e-3  # norm below which a unit's weights count as this large (AGC)


class Clipped(NamedTuple):
  """A gradient behind its clip.

  Attributes:
    gradient: what is left of it.
    demand: for each leaf, what was asked for over the bound; the clip acted where it
      is above 1. Of a leaf's entries or units, the one that asked for most.
    norm_before: of all leaves together.
    norm_after: the same of what is left.
    acted: whether anything was clipped.
  """

  gradient: Params
  demand: Params
  norm_before: Scalar
  norm_after: Scalar
  acted: Bool[Array, ""]


def clip(kind: str, gradient: Params, params: Params, bound: Scalar) -> Clipped:
  """Bounds a gradient.

  Args:
    kind: one of `KINDS`.
    gradient: what was asked for.
    params: what it is the gradient of; the adaptive bound is relative to them.
    bound: infinity leaves the gradient as it is.
  """
  return KINDS[kind](gradient, params, bound)


def _by_norm(gradient, params, bound):
  norm = global_norm(gradient)
  factor = _factor(norm, bound)
  return Clipped(
    gradient=jax.tree.map(lambda g: g * factor, gradient),
    demand=jax.tree.map(lambda g: _over(norm, bound), gradient),
    norm_before=norm,
    norm_after=norm * factor,
    acted=norm > bound,
  )


def _by_value(gradient, params, bound):
  sizes = jax.tree.map(lambda g: largest(jnp.abs(g)), gradient)
  cut = jax.tree.map(lambda g: jnp.clip(g, -bound, bound), gradient)
  return _by_part(gradient, cut, sizes, bound)


def _by_leaf(gradient, params, bound):
  norms = leaf_norms(gradient)
  scaled = jax.tree.map(lambda g, norm: g * _factor(norm, bound), gradient, norms)
  return _by_part(gradient, scaled, norms, bound)


def _by_unit(gradient, params, bound):
  """Relative norms: |g_u| / max(|w_u|, 1e-3), one bound for all of them."""
  relative = jax.tree.map(
    lambda g, w: _unit_norms(g) / jnp.maximum(_unit_norms(w), LEAST), gradient, params
  )
  scaled = jax.tree.map(lambda g, size: g * _factor(size, bound), gradient, relative)
  sizes = jax.tree.map(lambda size: largest(size), relative)
  return _by_part(gradient, scaled, sizes, bound)


def _by_part(before, after, sizes, bound):
  """What kinds that look at each leaf by itself have in common."""
  acted = jnp.stack([size > bound for size in jax.tree.leaves(sizes)]).any()
  norm = global_norm(before)
  return Clipped(
    gradient=after,
    demand=jax.tree.map(lambda size: _over(size, bound), sizes),
    norm_before=norm,
    norm_after=jnp.where(acted, global_norm(after), norm),
    acted=acted,
  )


def _unit_norms(leaf: Float[Array, "..."]) -> Float[Array, "..."]:
  """Norms over what goes into each unit, broadcastable against the leaf."""
  if leaf.ndim < 2:
    return scaled_norm(leaf, keep=0)
  norms = scaled_norm(jnp.moveaxis(leaf, -1, 0), keep=1)
  return norms.reshape((1,) * (leaf.ndim - 1) + norms.shape)


def _factor(size, bound):
  return jnp.where(size > bound, bound / size, jnp.ones_like(size))


def _over(size, bound):
  """size / bound, and 0 for nothing at all, also under a bound of 0."""
  return jnp.where(size > 0, size / bound, jnp.zeros_like(size))


KINDS = {"norm": _by_norm, "value": _by_value, "leaf": _by_leaf, "adaptive": _by_unit}
