"""Pascanu's Omega against explicit Jacobians, its two gradients, and what it does."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rnn_research.cells import Elman, HiddenCarry, multiplying
from rnn_research.diagnostics import ADJOINT, backward_ratios, omega
from rnn_research.errors import ConfigError
from rnn_research.training import program as program_module
from rnn_research.training.advance import compile_advance
from rnn_research.training.placement import place_seeds
from rnn_research.training.rows import detail_row
from rnn_research.training.start import start
from rnn_research.unroll import Trace, make_sinks, unroll
from tests.laws.losses import loss, unoptimised
from tests.laws.plain_loop import at, plain_loop, rows_of
from tests.laws.subjects import BATCH, TIME, MinGRU, subject
from tests.small_run import initial_state, make_config

SOME = {"elman": False, "gru_before": True, "lstm_peepholes": False}
as_vector = jax.jit(lambda tree: ravel_pytree(tree)[0])


def trace_of(name, reverse=False):
  """With lengths, resets and padding that is not a number."""
  s = subject(name, jnp.float64)
  return Trace(s.cell, reverse, s.params, s.xs, s.lengths, s.resets, s.carry)


def deltas(trace):
  """dl/ds_t by a loop in Python: the derivative by what is added to each carry."""

  def value(offsets):
    found = plain_loop(
      trace.cell,
      trace.params,
      trace.xs,
      initial_carry=trace.initial_carry,
      lengths=trace.lengths,
      resets=trace.resets,
      reverse=trace.reverse,
      carry_offsets=offsets,
    )
    return loss(*found[:2])

  def zeros(leaf):
    return jnp.zeros((TIME, *leaf.shape))

  return jax.grad(value)(jax.tree.map(zeros, trace.initial_carry))


def one_step(trace):
  """s_t from s_{t-1} and x_t of one example, states as vectors."""
  cell, params = trace.cell, trace.params
  example = jax.tree.map(lambda leaf: leaf[:1], trace.initial_carry)
  unravel = ravel_pytree(example)[1]

  def step(state, x):
    projection = cell.project(params["input"], x[None])
    vectors, tape = rows_of(cell, params, 2), multiplying(cell, params)
    new, _ = cell.step(tape, vectors, unravel(state), projection, None, None)
    return as_vector(new)

  return step


def explicit_ratios(trace, adjoint):
  """|delta J| / |delta| of every valid step that is not behind a reset, by (t, b)."""
  step = jax.jit(one_step(trace))
  jacobian = jax.jit(jax.jacobian(one_step(trace)))
  xs, found = jnp.nan_to_num(trace.xs), {}
  for b in range(BATCH):
    first = as_vector(
      jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], trace.initial_carry)
    )
    state, steps = first, range(int(trace.lengths[b]))
    for t in reversed(steps) if trace.reverse else steps:
      boundary = t + 1 if trace.reverse else t
      if boundary < TIME and trace.resets[boundary, b]:
        state = first
      else:
        own = jax.tree.map(lambda leaf, b=b: leaf[b], at(adjoint, t))
        delta = np.asarray(as_vector(own))
        sent = delta @ np.asarray(jacobian(state, xs[t, b]))
        found[t, b] = np.linalg.norm(sent) / np.linalg.norm(delta)
      state = step(state, xs[t, b])
  return found


@pytest.mark.parametrize("name, reverse", SOME.items())
def test_ratios_are_those_of_explicit_jacobians(float64, name, reverse):
  trace = trace_of(name, reverse)
  adjoint = unoptimised(deltas)(trace)
  wanted = explicit_ratios(trace, adjoint)
  for immediate in (True, False):
    measured = functools.partial(backward_ratios, immediate=immediate)
    ratios, counts, valid = unoptimised(measured)(trace, adjoint)
    if reverse:
      ratios, counts, valid = ratios[::-1], counts[::-1], valid[::-1]
    assert set(zip(*np.nonzero(np.asarray(counts)), strict=True)) == set(wanted)
    assert valid.sum() == trace.lengths.sum()
    for (t, b), ratio in wanted.items():
      np.testing.assert_allclose(ratios[t, b], ratio, rtol=1e-10)
  found = omega(trace, adjoint, immediate=True)
  values = np.array(list(wanted.values()))
  np.testing.assert_allclose(found.value, ((values - 1) ** 2).sum() / BATCH, rtol=1e-10)
  np.testing.assert_allclose(found.ratio, values.mean(), rtol=1e-10)
  np.testing.assert_allclose(found.share, len(values) / trace.lengths.sum())


def constants(trace):
  """States before and behind each step, and its gates, by the plain loop."""
  carry, ys, gates = plain_loop(
    trace.cell, trace.params, trace.xs, initial_carry=trace.initial_carry
  )
  before = jnp.concatenate([trace.initial_carry.hidden[None], ys[:-1]])
  return before, ys, gates


@pytest.mark.parametrize("name", ["elman", "gru"])
def test_the_immediate_gradient_is_that_of_frozen_states(float64, name):
  """The formula by hand, all but the recurrent kernel frozen, by finite differences."""
  s = subject(name, jnp.float64)
  trace = Trace(s.cell, False, s.params, jnp.nan_to_num(s.xs), initial_carry=s.carry)
  adjoint = unoptimised(deltas)(trace)
  delta = np.asarray(adjoint.hidden)
  before, ys, gates = map(lambda tree: jax.tree.map(np.asarray, tree), constants(trace))

  def frozen(kernel):
    """Omega, from constants and the kernel."""
    if name == "elman":
      back = (delta * (1 - ys**2)) @ kernel.T
    else:
      r, z, n = gates["reset"], gates["update"], gates["candidate"]
      size = z.shape[-1]
      own = np.asarray(trace.params["hidden"]["kernel"])[:, 2 * size :]
      h_n = before @ own + np.asarray(trace.params["hidden"]["bias"])
      d_n = delta * (1 - z) * (1 - n**2)
      d_z = delta * (before - n) * z * (1 - z)
      d_r = d_n * h_n * r * (1 - r)
      back = delta * z + np.concatenate([d_r, d_z, d_n * r], -1) @ kernel.T
    ratios = np.linalg.norm(back, axis=-1) / np.linalg.norm(delta, axis=-1)
    return ((ratios - 1) ** 2).sum() / BATCH

  def value(params):
    own = Trace(s.cell, False, params, trace.xs, initial_carry=s.carry)
    return omega(own, adjoint, immediate=True).value

  found, gradient = unoptimised(jax.value_and_grad(value))(s.params)
  kernel = np.asarray(s.params["hidden"]["kernel"])
  np.testing.assert_allclose(found, frozen(kernel), rtol=1e-12)
  own = np.asarray(gradient["hidden"].pop("kernel"))
  for entry in ((0, 0), (1, 2), (3, 3), (2, kernel.shape[1] - 1)):
    nudge = np.zeros_like(kernel)
    nudge[entry] = 1e-6
    slope = (frozen(kernel + nudge) - frozen(kernel - nudge)) / 2e-6
    np.testing.assert_allclose(own[entry], slope, rtol=1e-6, atol=1e-9)
  # Nothing else is reached: neither the input's weights nor any bias.
  assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("name", ["gru", "lstm_peepholes"])
def test_the_full_gradient_is_that_of_finite_differences(float64, name):
  """Twice through the fused adjoint, for a loss on everything, with lengths."""
  s = subject(name, jnp.float64)
  sinks = make_sinks(ADJOINT, s.cell, s.params, s.xs, s.carry)

  def value(params):
    def own(sinks):
      found = unroll(
        s.cell,
        params,
        s.xs,
        lengths=s.lengths,
        resets=s.resets,
        initial_carry=s.carry,
        taps=(ADJOINT, sinks),
      )
      return loss(*found)

    adjoint = jax.grad(own)(sinks).inside
    trace = Trace(s.cell, False, params, s.xs, s.lengths, s.resets, s.carry)
    return omega(trace, adjoint, immediate=False).value

  first, pull = ravel_pytree(s.params)
  program = unoptimised(lambda vector: value(pull(vector)))
  gradient = unoptimised(jax.grad(lambda vector: value(pull(vector))))(first)
  directions = np.random.default_rng(0).normal(size=(4, first.size))
  for direction in directions:
    nudge = 1e-6 * direction
    slope = (program(first + nudge) - program(first - nudge)) / 2e-6
    np.testing.assert_allclose(gradient @ direction, slope, rtol=1e-6)


def test_an_adjoint_that_is_gone_or_huge_leaves_finite_numbers():
  cell = Elman("relu")
  params = {
    "input": {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)},
    "hidden": {"kernel": 0.5 * jnp.eye(2)},
  }
  carry = HiddenCarry(jnp.ones((3, 2)))
  trace = Trace(cell, False, params, jnp.zeros((1, 3, 2)), initial_carry=carry)
  adjoint = HiddenCarry(jnp.array([[[1e30, 1e30], [3e-11, 0], [3e-10, 0]]]))

  def value(params):
    own = Trace(cell, False, params, trace.xs, initial_carry=carry)
    found = omega(own, adjoint, immediate=True)
    return found.value, found

  gradient, found = jax.grad(value, has_aux=True)(params)
  # The second no longer counts; the two others are halved.
  np.testing.assert_allclose(found, (2 * 0.25 / 3, 0.5, 2 / 3), rtol=1e-6)
  wanted = 2 * (0.5 - 1) / 3 * (np.full((2, 2), 0.5) + np.array([[1, 0], [0, 0]]))
  np.testing.assert_allclose(gradient["hidden"]["kernel"], wanted, rtol=1e-5)
  # States that relu has cut off send nothing back: no NaN from the root of zero.
  dead = HiddenCarry(-carry.hidden)
  off = Trace(cell, False, params, trace.xs, initial_carry=dead)
  assert omega(off, adjoint, immediate=True).ratio == 0
  cut = jax.grad(lambda delta: omega(off, delta, immediate=False).value)(adjoint)
  assert np.isfinite(cut.hidden).all()


SMALL = {
  "seeds": 4,
  "train.devices": 2,
  "model.init.gain": 0.7,
  "train.log_every": 40,
  "train.eval_every": 40,
  "train.checkpoint_every": 0,
  "train.steps": 40,
  "diagnostics.lag_every": 0,
  "diagnostics.adjoint": False,
  "diagnostics.saturation": False,
  "diagnostics.weights": False,
  "optimizer.name": "sgd",
  "optimizer.learning_rate": 0.01,
  "optimizer.clip_bound": 0.0,
  "regularizer.omega": 1.0,
}


@pytest.mark.parametrize("gradient", ["recurrent", "full"])
def test_more_weight_brings_the_ratio_nearer_to_one(tmp_path, gradient):
  """Dose and response, four weights in one program from the same start."""
  run = start(
    make_config(SMALL | {"regularizer.omega_gradient": gradient}), str(tmp_path)
  )
  state = initial_state(run)
  same = jax.tree.map(lambda leaf: leaf[jnp.zeros(4, int)], state)
  weights = jnp.array([1e-6, 0.1, 0.5, 2.0])
  state = same._replace(hyper=same.hyper._replace(omega=weights))
  detail = compile_advance(run.program, 40, 1)(
    place_seeds(run.program.layout, state), None
  )[2]
  detail = jax.tree.map(lambda leaf: leaf[:, 0], detail)
  found = detail.omega["layer_0"]
  off = np.abs(np.asarray(found.ratio) - 1)
  assert off[0] > 0.2 and off[3] < 0.5 * off[0], off
  assert (np.diff(off) < 0).all(), off
  assert (np.diff(found.value) < 0).all() and found.share.min() > 0.9
  row = detail_row(jax.device_get(detail))
  np.testing.assert_array_equal(row["regularizer/omega"], found.value)
  np.testing.assert_array_equal(row["regularizer/ratio"], found.ratio)


def test_a_cell_without_dense_products_is_refused(monkeypatch, tmp_path):
  monkeypatch.setattr(program_module, "make_cell", lambda config: MinGRU())
  with pytest.raises(ConfigError, match=r"regularizer\.omega.*no dense matrix"):
    start(make_config({"regularizer.omega": 1.0}), str(tmp_path))
