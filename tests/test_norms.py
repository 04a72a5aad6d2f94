"""Norms against NumPy in double precision, where float32 squares are lost too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.norms import (
  LARGE,
  global_norm,
  leaf_cosines,
  leaf_norms,
  row_norms,
  scaled_norm,
  stacked_norms,
)

SCALES = (1e-33, 1e-30, 1e-20, 1e-12, 1.0, 1e12, 1e25, 1e36)


def rows(scales, columns):
  """One row a scale, entries of mixed signs and a zero."""
  draws = np.random.default_rng(0).normal(size=(len(scales), columns))
  draws[:, 0] = 0
  return draws * np.array(scales)[:, None]


def wanted(values):
  return np.linalg.norm(np.asarray(values, np.float64), axis=-1)


@pytest.mark.parametrize("columns", [3, LARGE])
@pytest.mark.parametrize("scale", SCALES)
def test_a_row_of_any_size_has_its_norm(scale, columns):
  values = jnp.asarray(rows([scale, scale / 3], columns), jnp.float32)
  np.testing.assert_allclose(jax.jit(scaled_norm)(values), wanted(values), rtol=2e-6)


def test_rows_of_all_sizes_stand_side_by_side():
  values = jnp.asarray(rows(SCALES, LARGE), jnp.float32)
  np.testing.assert_allclose(scaled_norm(values), wanted(values), rtol=2e-6)


@pytest.mark.parametrize("columns", [3, LARGE])
def test_what_is_not_finite_stays_so_and_zero_is_zero(columns):
  values = np.ones((4, columns), np.float32)
  values[1] = 0
  values[2, 1], values[3, 1] = np.nan, -np.inf
  found = np.asarray(scaled_norm(jnp.asarray(values)))
  np.testing.assert_allclose(found[:2], [np.sqrt(columns), 0], rtol=1e-6)
  assert not np.isfinite(found[2:]).any()


@pytest.mark.parametrize("zero", [0, 1, 2])
@pytest.mark.parametrize("scale", SCALES)
def test_a_row_of_zeros_does_not_decide_for_the_others(scale, zero):
  """Wherever it stands: the first state of a sequence is one."""
  scales = np.full(3, scale)
  scales[zero] = 0
  values = jnp.asarray(rows(scales, LARGE), jnp.float32)
  np.testing.assert_allclose(jax.jit(scaled_norm)(values), wanted(values), rtol=2e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_rows_at_the_ends_may_be_of_a_size_of_their_own(scale):
  values = jnp.asarray(rows([scale, 1.0, 2.0, scale], LARGE), jnp.float32)
  np.testing.assert_allclose(jax.jit(scaled_norm)(values), wanted(values), rtol=2e-6)


def test_axes_that_are_kept_stay():
  cube = jnp.arange(24.0).reshape(2, 3, 4)
  np.testing.assert_allclose(
    scaled_norm(cube, 2), np.linalg.norm(cube, axis=2), rtol=1e-6
  )
  np.testing.assert_allclose(
    scaled_norm(cube), np.linalg.norm(cube.reshape(2, 12), axis=1), rtol=1e-6
  )
  assert scaled_norm(jnp.zeros((2, 0))).tolist() == [0, 0]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("place", ["a", "c"])
@pytest.mark.parametrize("short", [False, True])
def test_stacks_that_are_read_at_once_have_norms_of_their_own(scale, place, short):
  """Though it is decided for all of them whether single precision will do."""
  columns = 5 if short else LARGE
  tree = {
    place: jnp.asarray(rows(np.full(4, scale), columns), jnp.float32),
    "b": (jnp.asarray(rows(np.full(3, 2.0), LARGE), jnp.float32),),
  }
  found = jax.jit(row_norms)(tree)
  np.testing.assert_allclose(found[place], wanted(tree[place]), rtol=2e-6)
  np.testing.assert_allclose(found["b"][0], wanted(tree["b"][0]), rtol=2e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_the_norm_of_a_tree_is_that_of_all_its_entries(scale):
  parts = rows([scale, scale / 10, scale * 1e-9], 7).astype(np.float32)
  tree = {"a": jnp.asarray(parts[:2]), "b": {"c": jnp.asarray(parts[2])}}
  np.testing.assert_allclose(global_norm(tree), wanted(parts.ravel()), rtol=2e-6)


@pytest.mark.parametrize("scale", [0.0, *SCALES])
def test_each_leaf_has_its_own_norm(scale):
  """Whatever the others are like: one of them is of a size of its own."""
  parts = rows([scale, 1.0, 1e-3], 7).astype(np.float32)
  tree = {"a": jnp.asarray(parts[0]), "b": {"c": jnp.asarray(parts[1:])}}
  found = jax.jit(leaf_norms)(tree)
  np.testing.assert_allclose(found["a"], wanted(parts[0]), rtol=2e-6)
  np.testing.assert_allclose(found["b"]["c"], wanted(parts[1:].ravel()), rtol=2e-6)


def test_double_precision_has_a_range_of_its_own():
  with jax.enable_x64(True):
    for scale in (1e-300, 1e-150, 1.0, 1e150, 1e300):
      values = jnp.full((2, LARGE), scale)
      np.testing.assert_allclose(
        scaled_norm(values), np.full(2, scale * np.sqrt(LARGE)), rtol=1e-12
      )


@pytest.mark.parametrize(
  ("first", "second"), [*zip(SCALES, SCALES, strict=True), (1e-33, 1e36), (1e36, 1e-33)]
)
def test_a_cosine_does_not_depend_on_either_size(first, second):
  draws = np.random.default_rng(1).normal(size=(4, 9))
  trees = [
    {"a": jnp.asarray(one[:4], jnp.float32), "b": jnp.asarray(one[4:], jnp.float32)}
    for one in (draws[:2].sum(0) * first, draws[1:3].sum(0) * second)
  ]
  x, y = (np.concatenate([t["a"], t["b"]]).astype(np.float64) for t in trees)
  norms = [np.linalg.norm(one) for one in (x, y)]
  whole = jax.jit(leaf_cosines)(*trees, *map(jnp.float32, norms))
  np.testing.assert_allclose(whole.sum(), x @ y / np.prod(norms), rtol=1e-5)
  each = jax.jit(leaf_cosines)(*trees, *map(stacked_norms, trees))
  parts = [(x[:4], y[:4]), (x[4:], y[4:])]
  wanted = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in parts]
  np.testing.assert_allclose(each, wanted, rtol=1e-5)


def test_what_does_not_move_has_no_direction():
  one, none = {"a": jnp.ones(3)}, {"a": jnp.zeros(3)}
  for first, second in ((one, none), (none, one), (none, none)):
    norms = stacked_norms(first), stacked_norms(second)
    assert leaf_cosines(first, second, *norms).tolist() == [0]
