"""Four ways to bound a gradient: laws, numpy's arithmetic, a ledger of each leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research.config import OptimizerConfig
from rnn_research.norms import global_norm
from rnn_research.training.clipping import KINDS, LEAST, clip
from rnn_research.training.optimizer import RULES, apply_update, make_hyper
from rnn_research.training.start import start
from rnn_research.training.step import logged_step
from tests.small_run import hyper_of, initial_state, make_config

SHAPES = {"cell": {"kernel": (3, 4), "bias": (4,)}, "head": {"kernel": (4, 2)}}
every_kind = pytest.mark.parametrize("kind", KINDS)


def draw(seed, scale=1.0):
  """A tree of normal numbers."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda shape: jnp.asarray(scale * rng.normal(size=shape), float),
    SHAPES,
    is_leaf=lambda x: isinstance(x, tuple),
  )


def flat(tree):
  return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def cosine(a, b):
  return a @ b / np.sqrt((a @ a) * (b @ b))


def by_numpy(kind, gradient, params, bound):
  """The gradient behind the clip, and the demand of each leaf, written anew."""
  leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(gradient)]
  weights = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
  whole = np.sqrt(sum((g**2).sum() for g in leaves))
  found, demand = [], []
  for g, w in zip(leaves, weights, strict=True):
    out = g.copy()
    if kind == "norm":
      size = whole
      out *= min(1, bound / size)
    elif kind == "value":
      size = np.abs(g).max()
      out = np.minimum(np.maximum(g, -bound), bound)
    elif kind == "leaf":
      size = np.sqrt((g**2).sum())
      out *= min(1, bound / size)
    else:
      size = 0.0
      columns = [np.s_[:]] if g.ndim == 1 else [np.s_[:, j] for j in range(g.shape[1])]
      for u in columns:
        allowed = bound * max(np.sqrt((w[u] ** 2).sum()), LEAST)
        norm = np.sqrt((g[u] ** 2).sum())
        size = max(size, norm / allowed * bound)
        out[u] *= min(1, allowed / norm)
    found.append(out.ravel())
    demand.append(size / bound)
  return np.concatenate(found), np.array(demand)


@every_kind
@pytest.mark.parametrize("bound", [0.2, 1.5, 50.0])
def test_every_kind_is_that_of_numpy(float64, kind, bound):
  gradient, params = draw(0), draw(1, 0.4)
  params["head"]["kernel"] = params["head"]["kernel"].at[:, 0].set(1e-6)
  found = clip(kind, gradient, params, jnp.asarray(bound))
  wanted, demand = by_numpy(kind, gradient, params, bound)
  np.testing.assert_allclose(flat(found.gradient), wanted, rtol=1e-12)
  np.testing.assert_allclose(flat(found.demand), demand, rtol=1e-12)
  np.testing.assert_allclose(found.norm_before, np.linalg.norm(flat(gradient)))
  np.testing.assert_allclose(found.norm_after, np.linalg.norm(wanted), rtol=1e-12)
  assert found.acted == (demand > 1).any()
  again = clip(kind, found.gradient, params, jnp.asarray(bound))
  np.testing.assert_allclose(flat(again.gradient), wanted, rtol=1e-12)
  assert (flat(again.demand) <= 1 + 1e-12).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_norm_and_adaptive_are_those_of_optax(float64, scale):
  gradient, params = draw(0, scale), draw(1)
  for kind, rule in {
    "norm": optax.clip_by_global_norm(2.5),
    "adaptive": optax.adaptive_grad_clip(2.5),
  }.items():
    found = clip(kind, gradient, params, jnp.asarray(2.5))
    wanted, _ = rule.update(gradient, rule.init(params), params)
    np.testing.assert_allclose(flat(found.gradient), flat(wanted), rtol=1e-12)
    assert found.acted == (scale >= 1)


def test_the_direction_is_kept_by_the_norm_alone(float64):
  gradient, params = draw(0), draw(1)
  for kind in KINDS:
    found = clip(kind, gradient, params, jnp.asarray(0.3))
    assert found.acted
    kept = cosine(flat(found.gradient), flat(gradient))
    assert (kept > 1 - 1e-14) == (kind == "norm"), (kind, kept)
  # Each leaf by itself keeps its own under "leaf", under "value" none does.
  for kind, whole in {"leaf": True, "value": False}.items():
    found = clip(kind, gradient, params, jnp.asarray(0.3)).gradient
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(gradient), strict=True):
      kept = cosine(np.ravel(a), np.ravel(b))
      assert (kept > 1 - 1e-14) == whole, (kind, kept)


@every_kind
def test_a_huge_entry_is_bounded_and_not_zeroed(kind):
  gradient = {"a": jnp.array([1e20, -1e19], jnp.float32), "b": jnp.float32([2.0])}
  params = {"a": jnp.array([3.0, 4.0], jnp.float32), "b": jnp.float32([1.0])}
  found = clip(kind, gradient, params, jnp.float32(0.5))
  assert found.norm_before.dtype == jnp.float32
  np.testing.assert_allclose(found.norm_before, 1e20 * np.sqrt(1.01), rtol=1e-6)
  direction = np.array([1.0, -0.1]) / np.sqrt(1.01)
  wanted = {
    "norm": 0.5 * direction,
    "value": [0.5, -0.5],
    "leaf": 0.5 * direction,
    "adaptive": 2.5 * direction,  # |w| = 5
  }[kind]
  np.testing.assert_allclose(found.gradient["a"], wanted, rtol=1e-6)
  assert np.isfinite(flat(found.demand)).all() and found.demand["a"] > 1e18
  # The squares overflow in optax's norm, and the whole gradient is lost.
  rule = optax.clip_by_global_norm(1.0)
  lost, _ = rule.update(gradient, rule.init(gradient))
  assert not np.any(lost["a"])


@every_kind
def test_what_is_not_finite_is_not_made_to_look_finite(kind):
  for bad in (jnp.nan, jnp.inf):
    gradient = draw(0)
    gradient["cell"]["bias"] = gradient["cell"]["bias"].at[1].set(bad)
    found = clip(kind, gradient, draw(1), jnp.asarray(1.0))
    assert not np.isfinite(found.norm_before)


def test_a_tiny_gradient_has_its_norm():
  gradient = {"a": jnp.array([3e-30, 4e-30], jnp.float32)}
  np.testing.assert_allclose(global_norm(gradient), 5e-30, rtol=1e-6)


@every_kind
def test_no_gradient_and_no_bound_are_no_nan(kind):
  nothing = jax.tree.map(jnp.zeros_like, draw(0))
  found = clip(kind, nothing, draw(1), jnp.asarray(0.0))
  assert (found.norm_before, found.norm_after, found.acted) == (0, 0, False)
  assert not flat(found.gradient).any() and not flat(found.demand).any()
  state = optax.identity().init(nothing)
  hyper = hyper_of(0.1, 0.0)
  applied = apply_update(optax.identity(), kind, hyper, nothing, state, draw(1))
  np.testing.assert_array_equal(flat(applied.params), flat(draw(1)))
  assert not applied.entries["clipped"]
  wanted = {"cosine": 0, "update_norm": 0, "shrink": 1}
  assert {name: float(applied.entries[name]) for name in wanted} == wanted


@every_kind
def test_clip_bound_0_turns_clipping_off(kind):
  hyper = make_hyper(make_config({"optimizer.clip_bound": 0.0}))
  gradient = draw(0, 1e8)
  found = clip(kind, gradient, draw(1), hyper.clip_bound)
  assert not found.acted and not flat(found.demand).any()
  np.testing.assert_array_equal(flat(found.gradient), flat(gradient))


@every_kind
def test_a_lower_bound_is_a_shorter_step_of_plain_descent(kind):
  """Dose and response: |update| falls with the bound until the clip acts no more."""
  rule, gradient, params = RULES["sgd"](OptimizerConfig(name="sgd")), draw(0), draw(1)
  bounds = np.geomspace(1e-3, 1e2, 11)
  moved = []
  for bound in bounds:
    hyper = hyper_of(0.1, bound)
    applied = apply_update(rule, kind, hyper, gradient, rule.init(params), params)
    moved.append(float(applied.entries["update_norm"]))
    shrink = float(applied.entries["shrink"])
    assert (shrink < 1) == bool(applied.entries["clipped"])
    np.testing.assert_allclose(moved[-1], 0.1 * shrink * global_norm(gradient), 1e-5)
  assert (np.diff(moved) >= 0).all() and moved[0] < moved[3] < moved[-1]
  # Far below what is asked for, the step is in proportion to the bound.
  np.testing.assert_allclose(moved[1] / moved[0], bounds[1] / bounds[0], rtol=1e-5)
  np.testing.assert_allclose(moved[-1], 0.1 * global_norm(gradient), rtol=1e-5)


@pytest.mark.parametrize("kind", ["leaf", "adaptive"])
def test_the_logged_step_says_it_leaf_by_leaf(tmp_path, kind):
  changes = {"seeds": 1, "optimizer.clip": kind, "optimizer.clip_bound": 0.01}
  run = start(make_config(changes), str(tmp_path))
  state = jax.tree.map(lambda leaf: leaf[0], initial_state(run))
  after, ledger, detail = jax.jit(lambda s: logged_step(run.program, s, None))(state)
  asked = np.array([detail.gradients[path] for path in detail.gradients])
  left = np.array([detail.clipped[path] for path in detail.gradients])
  np.testing.assert_allclose(np.linalg.norm(asked), ledger.norm_before, rtol=1e-6)
  np.testing.assert_allclose(np.linalg.norm(left), ledger.norm_after, rtol=1e-6)
  assert ledger.clipped and ledger.shrink < 1
  demand = np.array([detail.demand[path] for path in detail.gradients])
  assert ((demand > 1) == (left < asked)).all()
  if kind == "leaf":
    np.testing.assert_allclose(demand, asked / 0.01, rtol=1e-6)
    np.testing.assert_allclose(left, np.minimum(asked, 0.01), rtol=1e-6)
  # Adam's first step has the sign of the gradient: the cosine is |g|_1 / sqrt(n) |g|_2.
  kernel = "layer_0/cell/hidden/kernel"
  moved = after.params["layer_0"]["cell"]["hidden"]["kernel"]
  moved -= state.params["layer_0"]["cell"]["hidden"]["kernel"]
  assert 0.5 < detail.cosines[kernel] < 0.999
  np.testing.assert_allclose(np.linalg.norm(moved), detail.updates[kernel], rtol=1e-4)
