"""Laws of taps: they change nothing, go wherever a gradient goes, and add up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rnn_research.norms import scaled_norm
from rnn_research.unroll import Measure, make_sinks, unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss, unoptimised
from tests.laws.subjects import TIME, random_parameters, subject

SOME = ("elman", "gru_before", "lstm_everything", "residual_zoneout", "attention")


def inside(event):
  """Norms of what exists only in the scan."""
  return {
    "adjoint": jax.tree.map(scaled_norm, event.adjoint),
    "direct": jax.tree.map(scaled_norm, event.direct),
    "probes": jax.tree.map(scaled_norm, event.probes),
  }


def after(stacked):
  """Norms of every step's weight gradient."""
  return {
    name: scaled_norm(stacked.products[name], 2) * scaled_norm(stacked.values[name], 2)
    for name in stacked.products
  }


NORMS = Measure(inside, after)


def value(s, params, xs, sinks=None):
  """The loss of a subject, tapped if there are sinks."""
  found = unroll(
    s.cell,
    params,
    xs,
    initial_carry=s.carry,
    context=s.context,
    lengths=s.lengths,
    resets=s.resets,
    key=s.key,
    taps=None if sinks is None else (NORMS, sinks),
  )
  return loss(*found)


def sinks_of(s):
  """Fresh zeros."""
  return make_sinks(NORMS, s.cell, s.params, s.xs, s.carry, s.context)


def gradients_with_and_without(name, dtype):
  s = subject(name, dtype)

  @unoptimised
  def program(params, xs, sinks):
    tapped = jax.grad(lambda *a: value(s, *a), (0, 1, 2))(params, xs, sinks)
    return tapped, jax.grad(lambda *a: value(s, *a), (0, 1))(params, xs)

  tapped, plain = program(s.params, s.xs, sinks_of(s))
  assert max(leaf.max() for leaf in jax.tree.leaves(tapped[2])) > 0
  return tapped[:2], plain


@pytest.mark.parametrize("name", SOME)
def test_tapped_gradients_are_the_gradients(float64, name):
  assert_close(*gradients_with_and_without(name, jnp.float64), 1e-14)


@pytest.mark.parametrize("name", SOME)
def test_tapped_gradients_in_single_precision(name):
  assert_close(*gradients_with_and_without(name, jnp.float32), 1e-6)


def test_taps_go_through_every_transformation(float64):
  """`vmap` and `lax.map` over parameters, and `jax.checkpoint`."""
  s = subject("lstm", jnp.float64)
  seeds = [random_parameters(s.cell, seed, jnp.float64) for seed in range(3)]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *seeds)
  read = jax.grad(lambda p, sinks: value(s, p, s.xs, sinks), (0, 1))
  again = jax.grad(
    lambda p, sinks: jax.checkpoint(lambda *a: value(s, a[0], s.xs, a[1]))(p, sinks),
    (0, 1),
  )

  @unoptimised
  def program(stacked, sinks):
    return {
      "single": [read(params, sinks) for params in seeds],
      "vmap": jax.vmap(read, (0, None))(stacked, sinks),
      "map": lax.map(lambda p: read(p, sinks), stacked),
      "checkpoint": again(seeds[0], sinks),
    }

  found = program(stacked, sinks_of(s))
  single = jax.tree.map(lambda *leaves: jnp.stack(leaves), *found["single"])
  assert_close(found["vmap"], single, 1e-12)
  assert_close(found["map"], single, 1e-12)
  assert_close(found["checkpoint"], found["single"][0], 1e-12)


def test_a_sink_used_twice_holds_the_sum(float64):
  """Why one set of sinks belongs to one application of a cell."""
  s = subject("gru", jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0, s.xs)

  def read(times):
    def total(one, other):
      return value(s, s.params, xs, one) + value(s, s.params, 2 * xs, other)

    zeros = sinks_of(s)
    if times == 1:
      return jax.grad(total, (0, 1))(zeros, zeros)
    return jax.grad(lambda shared: total(shared, shared))(zeros)

  first, second = unoptimised(lambda: read(1))()
  shared = unoptimised(lambda: read(2))()
  assert_close(shared, jax.tree.map(jnp.add, first, second), 1e-14)
  assert min(np.max(leaf) for leaf in jax.tree.leaves((first, second))) > 0


@pytest.mark.parametrize("name", SOME)
def test_making_sinks_computes_nothing(name):
  s = subject(name, jnp.float32)

  def make(params, xs):
    return make_sinks(NORMS, s.cell, params, xs, s.carry, s.context)

  program = jax.make_jaxpr(make)(s.params, s.xs)
  assert {e.primitive.name for e in program.eqns} <= {"broadcast_in_dim"}
  from_shape = make_sinks(
    NORMS,
    s.cell,
    s.params,
    jax.ShapeDtypeStruct(s.xs.shape, s.xs.dtype),
    s.carry,
    s.context,
  )
  made = make(s.params, s.xs)
  assert_same(from_shape, made)
  assert_same(made, jax.tree.map(jnp.zeros_like, made))
  assert {leaf.shape for leaf in jax.tree.leaves(made)} == {(TIME, s.xs.shape[1])}
