"""Sums and the like against NumPy's, at sizes around where the pieces end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.lanes import LANES, PIECES, every, largest, total
from rnn_research.one_function import MANY, one_function

SIZES = [0, 1, LANES - 1, LANES, LANES + 1, 3 * LANES, PIECES * LANES + 7, 50_000]
SHAPES = [(), (1, 1), (5, 0), (0, 5), (50, 150), (9000, 1), (7, 4 * LANES), (7, 5000)]
SHAPES += [(3, 20, 30), (2, 1, 3000)]


@pytest.mark.parametrize("size", SIZES)
def test_each_entry_is_added_once(size):
  """Integers, whose sum is exact in any order."""
  values = np.random.default_rng(size).integers(-9, 9, size).astype(np.float32)
  assert float(jax.jit(total)(values)) == values.sum()
  for place in {0, size // 2, LANES - 1, LANES, size - 1} & set(range(size)):
    alone = np.zeros(size, np.float32)
    alone[place] = 1
    assert float(jax.jit(total)(alone)) == 1, place


@pytest.mark.parametrize("size", SIZES)
def test_one_flag_that_is_not_set_is_seen_wherever_it_stands(size):
  assert every(jnp.ones(size, bool))
  for place in {0, size // 2, LANES - 1, LANES, size - 1} & set(range(size)):
    assert not jax.jit(every)(jnp.ones(size, bool).at[place].set(False)), place


@pytest.mark.parametrize("size", SIZES)
def test_the_largest_is_found_wherever_it_stands_and_nan_is_kept(size):
  assert jax.jit(largest)(jnp.zeros(size)) == 0
  for place in {0, size // 2, LANES - 1, LANES, size - 1} & set(range(size)):
    sizes = jnp.full(size, 0.5).at[place]
    assert jax.jit(largest)(sizes.set(2)) == 2, place
    assert jnp.isnan(jax.jit(largest)(sizes.set(jnp.nan))), place


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_any_length_are_entries_like_others(shape):
  values = np.random.default_rng(0).integers(-9, 9, shape).astype(np.float32)
  size = values.size
  assert float(jax.jit(total)(values)) == values.sum()
  assert jax.jit(largest)(abs(values)) == abs(values).max(initial=0)
  for place in {0, size // 3, size - 1} & set(range(size)):
    flags = np.ones(size, bool)
    flags[place] = False
    assert not jax.jit(every)(flags.reshape(shape)), place


@pytest.mark.parametrize("size", [MANY, 50_000])
def test_long_ones_are_short_enough_for_one_function(size):
  """XLA's compiler ends with an error on a long sum inside of one."""

  def all_three(values):
    return one_function(lambda v: (total(v), every(v >= 0), largest(v)), values)

  for shape in (-1,), (-1, 2), (2, -1), (32, -1):
    values = jnp.arange(size - size % 32, dtype=jnp.float32).reshape(shape)
    text = jax.jit(all_three).lower(values).as_text()
    assert "xla_cpu_small_call" in text, shape
    found, all_set, most = jax.jit(all_three)(values)
    np.testing.assert_allclose(found, np.asarray(values, float).sum(), rtol=1e-6)
    assert all_set and most == values.size - 1
