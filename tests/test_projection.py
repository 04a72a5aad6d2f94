"""Singular values cut off at a bound, against numpy's decomposition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU
from rnn_research.diagnostics import largest_singular_value, recurrent_blocks
from rnn_research.errors import ConfigError
from rnn_research.training import program as program_module
from rnn_research.training.advance import compile_advance
from rnn_research.training.placement import place_seeds
from rnn_research.training.projection import bounded, project_cells
from rnn_research.training.start import start
from tests.laws.subjects import MinGRU
from tests.small_run import initial_state, make_config

SHAPES = [(1, 1), (8, 8), (40, 40), (5, 3), (3, 5)]
project = jax.jit(bounded)


pytestmark = pytest.mark.usefixtures("quick_module")


def by_numpy(matrix, bound):
  u, values, vt = np.linalg.svd(matrix, full_matrices=False)
  return (u * np.minimum(values, bound)) @ vt


def draw(shape, scale=2.0):
  return scale * np.random.default_rng(0).normal(size=shape) / np.sqrt(shape[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_that_of_the_decomposition(float64, shape):
  matrix = draw(shape)
  for bound in (0.3, 1.0, 1.99, 100.0):
    found = project(jnp.asarray(matrix), jnp.asarray(bound))
    np.testing.assert_allclose(found, by_numpy(matrix, bound), rtol=0, atol=1e-12)


def test_single_precision_is_right_within_its_rounding():
  """Also where a value is tiny, zero, or stands on the bound."""
  u, _, vt = np.linalg.svd(draw((40, 40)))
  for values in (
    np.ones(40),
    np.linspace(0, 3, 40),
    np.geomspace(1e-12, 1e3, 40),
    np.r_[2.0, np.zeros(39)],
  ):
    matrix = ((u * values) @ vt).astype(np.float32)
    found = np.asarray(project(matrix, np.float32(1.0)), np.float64)
    wanted = by_numpy(matrix.astype(np.float64), 1.0)
    assert np.abs(found - wanted).max() < 2e-6 * max(1, values.max())
    again = np.asarray(project(found.astype(np.float32), np.float32(1.0)))
    assert np.abs(again - found).max() < 2e-6 * max(1, values.max())


def test_nothing_and_what_is_not_finite():
  zeros = jnp.zeros((4, 4))
  np.testing.assert_array_equal(project(zeros, jnp.asarray(1.0)), zeros)
  assert not np.isfinite(project(zeros.at[1, 2].set(jnp.inf), jnp.asarray(1.0))).all()


@pytest.mark.parametrize("cell", [GRU(), GRU(reset_after=False)], ids=str)
def test_every_gate_has_its_own_bound_and_nothing_else_moves(float64, cell):
  params = {"stack": {"layer_0": {"cell": cell.init(jax.random.key(0), 3, 6)}}}
  params = jax.tree.map(lambda leaf: 1.5 * leaf + 0.2, params)
  found = project_cells(params, {"stack/layer_0": cell}, jnp.asarray(1.2))
  before, after = params["stack"]["layer_0"]["cell"], found["stack"]["layer_0"]["cell"]
  gates = recurrent_blocks(cell, after)
  assert set(gates) == {"reset", "update", "candidate"}
  for gate, block in recurrent_blocks(cell, before).items():
    np.testing.assert_allclose(gates[gate], by_numpy(block, 1.2), atol=1e-12)
    assert largest_singular_value(block) > 1.2
  for name in before:
    if name not in cell.gate_order:
      np.testing.assert_array_equal(after[name]["kernel"], before[name]["kernel"])


def test_a_run_of_ten_seeds_on_two_devices_stays_within_its_bound(tmp_path):
  """Also with weights that would leave it; the update is what was really moved by."""
  changes = {
    "seeds": 10,
    "diagnostics.adjoint": False,
    "diagnostics.saturation": False,
    "diagnostics.weights": False,
    "train.devices": 2,
    "optimizer.singular_bound": 1.05,
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 1.0,
    "optimizer.clip_bound": 0.5,
  }
  run = start(make_config(changes), str(tmp_path))
  advance = compile_advance(run.program, 1, 1)
  free = initial_state(run)
  wide = place_seeds(run.program.layout, jnp.full(10, 1e6, float))
  free = free._replace(hyper=free.hyper._replace(singular_bound=wide))
  largest = []
  for own in (initial_state(run), free):
    before = jax.device_get(own.params)
    for _ in range(20):
      last = jax.device_get(own.params)
      own, ledger, detail = advance(own, None)
    kernel = np.asarray(own.params["layer_0"]["cell"]["hidden"]["kernel"])
    largest.append(largest_singular_value(kernel).max())
    moved = kernel - last["layer_0"]["cell"]["hidden"]["kernel"]
    updates = detail.updates["layer_0/cell/hidden/kernel"][:, 0]
    np.testing.assert_allclose(np.linalg.norm(moved, axis=(1, 2)), updates, rtol=1e-3)
    assert own.ok.all() and np.isfinite(ledger.cosine).all()
    assert np.abs(kernel - before["layer_0"]["cell"]["hidden"]["kernel"]).max() > 0.01
  assert largest[0] <= 1.05 * (1 + 1e-5) and largest[1] > 1.1, largest


def test_a_cell_without_a_recurrent_matrix_is_refused(monkeypatch, tmp_path):
  monkeypatch.setattr(program_module, "make_cell", lambda config: MinGRU())
  with pytest.raises(ConfigError, match=r"optimizer\.singular_bound.*no recurrent"):
    start(make_config({"optimizer.singular_bound": 1.0}), str(tmp_path))
