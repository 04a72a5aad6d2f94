"""Clip, rule and learning rate: optax's numbers, and a ledger made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research.config import OptimizerConfig
from rnn_research.training.optimizer import RULES, apply_update
from tests.small_run import hyper_of

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
  hyper = hyper_of(rate, bound)
  clipped = 0
  for step in range(6):
    # Ordinary and clipped gradients in turn.
    gradient = draw(10 + step, 0.3 if step % 2 else 3.0)
    applied = apply_update(rule, "norm", hyper, gradient, state, ours)
    ours, state, update, _, entries = applied
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
  hyper = hyper_of(0.01, 1.5)
  # The second step of Adam: its direction is no longer that of the gradient.
  params, state, *_ = apply_update(rule, "norm", hyper, draw(2), state, params)
  moved, _, update, _, entries = apply_update(
    rule, "norm", hyper, gradient, state, params
  )
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
  hyper = hyper_of(0.1, jnp.inf)
  rule = RULES["sgd"](OptimizerConfig(name="sgd"))
  *_, entries = apply_update(rule, "norm", hyper, gradient, rule.init(params), params)
  np.testing.assert_allclose(entries["cosine"], 1.0, rtol=1e-6)
