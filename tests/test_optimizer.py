"""Clip, rule and learning rate: optax's numbers, and a ledger made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research.config import OptimizerConfig
from rnn_research.training.optimizer import (
  RULES,
  Hyper,
  apply_update,
  clip,
  global_norm,
  make_hyper,
)

SHAPES = {"cell": {"kernel": (3, 4), "bias": (4,)}, "head": {"kernel": (4, 2)}}


def draw(seed, scale=1.0):
  """A tree of normal numbers."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda shape: jnp.asarray(scale * rng.normal(size=shape), float),
    SHAPES,
    is_leaf=lambda x: isinstance(x, tuple),
  )


def assert_close(found, wanted, rtol):
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=0)


def flat(tree):
  return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_clip_is_that_of_optax_in_ordinary_ranges(float64, scale):
  gradient = draw(0, scale)
  bound = jnp.asarray(2.5)
  found, norm, factor = clip(gradient, bound)
  rule = optax.clip_by_global_norm(2.5)
  wanted, _ = rule.update(gradient, rule.init(gradient))
  assert_close(found, wanted, 1e-13)
  np.testing.assert_allclose(norm, optax.tree.norm(gradient), rtol=1e-14)
  assert (factor < 1) == (scale >= 1)
  if factor < 1:
    np.testing.assert_allclose(factor * norm, bound, rtol=1e-14)


def test_a_huge_entry_is_scaled_and_not_zeroed():
  gradient = {"a": jnp.array([1e20, -1e19], jnp.float32), "b": jnp.float32(2.0)}
  found, norm, factor = clip(gradient, jnp.float32(1.0))
  assert norm.dtype == jnp.float32
  np.testing.assert_allclose(norm, 1e20 * np.sqrt(1.01), rtol=1e-6)
  wanted = np.array([1.0, -0.1]) / np.sqrt(1.01)
  np.testing.assert_allclose(found["a"], wanted, rtol=1e-6)
  np.testing.assert_allclose(global_norm(found), 1.0, rtol=1e-6)
  # The squares overflow in optax's norm, and the whole gradient is lost.
  rule = optax.clip_by_global_norm(1.0)
  lost, _ = rule.update(gradient, rule.init(gradient))
  assert not np.any(lost["a"])
  assert 0 < factor < 1


def test_a_tiny_gradient_has_its_norm():
  gradient = {"a": jnp.array([3e-30, 4e-30], jnp.float32)}
  np.testing.assert_allclose(global_norm(gradient), 5e-30, rtol=1e-6)


def test_no_gradient_and_no_bound_are_no_nan():
  nothing = jax.tree.map(jnp.zeros_like, draw(0))
  found, norm, factor = clip(nothing, jnp.asarray(0.0))
  assert (norm, factor) == (0, 1)
  assert not flat(found).any()
  state = optax.identity().init(nothing)
  hyper = Hyper(jnp.asarray(0.1), jnp.asarray(0.0))
  moved, _, _, entries = apply_update(optax.identity(), hyper, nothing, state, draw(1))
  np.testing.assert_array_equal(flat(moved), flat(draw(1)))
  assert not entries["clipped"]
  assert (entries["cosine"], entries["update_norm"]) == (0, 0)


def test_clip_bound_0_turns_clipping_off():
  hyper = make_hyper(OptimizerConfig(clip_bound=0.0))
  gradient = draw(0, 1e8)
  found, _, factor = clip(gradient, hyper.clip_bound)
  assert factor == 1
  np.testing.assert_array_equal(flat(found), flat(gradient))


OPTAX = {
  "adam": (OptimizerConfig(name="adam"), lambda rate: optax.adam(rate)),
  "sgd": (OptimizerConfig(name="sgd"), lambda rate: optax.sgd(rate)),
  "momentum": (
    OptimizerConfig(name="sgd", momentum=0.7),
    lambda rate: optax.sgd(rate, momentum=0.7),
  ),
  "rmsprop": (
    OptimizerConfig(name="rmsprop"),
    lambda rate: optax.rmsprop(rate, decay=0.9),
  ),
}


def test_every_rule_is_compared():
  assert {config.name for config, _ in OPTAX.values()} == set(RULES)


@pytest.mark.parametrize("name", OPTAX)
def test_several_steps_are_those_of_optax(float64, name):
  config, make = OPTAX[name]
  rate, bound = 0.03, 4.0
  rule = RULES[config.name](config)
  whole = optax.chain(optax.clip_by_global_norm(bound), make(rate))
  ours = theirs = draw(0)
  state, their_state = rule.init(ours), whole.init(theirs)
  hyper = Hyper(jnp.asarray(rate), jnp.asarray(bound))
  clipped = 0
  for step in range(6):
    # Ordinary and clipped gradients in turn.
    gradient = draw(10 + step, 0.3 if step % 2 else 3.0)
    ours, update, state, entries = apply_update(rule, hyper, gradient, state, ours)
    with jax.numpy_dtype_promotion("standard"):
      their_update, their_state = whole.update(gradient, their_state, theirs)
    theirs = optax.apply_updates(theirs, their_update)
    assert_close(update, their_update, 1e-12)
    assert_close(ours, theirs, 1e-12)
    clipped += int(entries["clipped"])
  assert clipped == 3


def test_the_ledger_by_hand(float64):
  params, gradient = draw(0), draw(1, 3.0)
  config = OptimizerConfig(name="adam")
  rule = RULES["adam"](config)
  state = rule.init(params)
  hyper = Hyper(jnp.asarray(0.01), jnp.asarray(1.5))
  # The second step of Adam: its direction is no longer that of the gradient.
  params, _, state, _ = apply_update(rule, hyper, draw(2), state, params)
  moved, update, _, entries = apply_update(rule, hyper, gradient, state, params)
  g, u, p = flat(gradient), flat(moved) - flat(params), flat(params)
  norm = np.sqrt((g**2).sum())
  wanted = {
    "norm_before": norm,
    "norm_after": 1.5,
    "shrink": 1.5 / norm,
    "clipped": 1.0,
    "update_norm": np.sqrt((u**2).sum()),
    "update_relative": np.sqrt((u**2).sum() / (p**2).sum()),
    "cosine": -(u @ g) / np.sqrt((u**2).sum() * (g**2).sum()),
  }
  assert set(entries) == set(wanted)
  for name, value in wanted.items():
    np.testing.assert_allclose(float(entries[name]), value, rtol=1e-12, err_msg=name)
  np.testing.assert_allclose(flat(update), u, rtol=1e-10)
  assert 0 < entries["cosine"] < 0.99


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_plain_descent_has_cosine_1_at_any_size(scale):
  params, gradient = draw(0), draw(1, scale)
  hyper = Hyper(jnp.asarray(0.1), jnp.asarray(jnp.inf))
  rule = RULES["sgd"](OptimizerConfig(name="sgd"))
  *_, entries = apply_update(rule, hyper, gradient, rule.init(params), params)
  np.testing.assert_allclose(entries["cosine"], 1.0, rtol=1e-6)
