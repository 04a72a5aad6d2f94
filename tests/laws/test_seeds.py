"""Laws of many seeds in one program."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss
from tests.laws.subjects import random_parameters, subject

SEEDS = 3


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_seeds_do_not_see_each_other(name):
  """Whatever runs beside it, a seed gives the same bits; alone, within rounding.

  Alone and mapped are two programs, and how each is fused is the compiler's choice.
  """
  s = subject(name, jnp.float32)

  def value(params):
    return loss(*unroll(s.cell, params, s.xs, lengths=s.lengths, resets=s.resets))

  both = jax.value_and_grad(value)
  seeds = [random_parameters(s.cell, seed, jnp.float32) for seed in range(SEEDS)]

  def stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

  single = jax.jit(both)
  apart = stack([single(params) for params in seeds])
  for transform in (lambda f: functools.partial(lax.map, f), jax.vmap):
    together = jax.jit(transform(both))
    found = together(stack(seeds))
    turned = together(stack([*seeds[1:], seeds[1]]))
    assert_same(
      jax.tree.map(lambda leaf: leaf[1:], found),
      jax.tree.map(lambda leaf: leaf[:-1], turned),
    )
    assert_close(found, apart, 1e-6)
