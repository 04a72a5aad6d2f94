"""Spectral radius, largest singular value, and which columns are which gate's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from rnn_research.cells import GRU, LSTM, Elman, Residual, Zoneout
from rnn_research.diagnostics import (
  largest_singular_value,
  recurrent_blocks,
  spectral_radius,
)
from tests.laws.plain_loop import plain_tape, rows_of

HIDDEN = 3


def test_known_radii_and_norms():
  """A scaled rotation has complex eigenvalues; a shear's norm exceeds its radius."""
  angle = 0.7
  rotation = 1.3 * np.array(
    [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
  )
  shear = np.array([[0.5, 10.0], [0.0, -0.9]])
  nilpotent = np.array([[0.0, 4.0], [0.0, 0.0]])
  matrices = np.stack([rotation, shear, nilpotent])
  np.testing.assert_allclose(spectral_radius(matrices), [1.3, 0.9, 0], atol=1e-12)
  norms = largest_singular_value(matrices)
  golden = np.sqrt(scipy.linalg.eigvalsh(shear.T @ shear)[-1])
  np.testing.assert_allclose(norms, [1.3, golden, 4], rtol=1e-12)


def test_seeds_stay_apart():
  """Leading axes are kept, and a seed that is not finite is NaN alone."""
  draw = np.random.default_rng(1)
  matrices = draw.normal(size=(2, 3, 5, 5))
  matrices[1, 2, 0, 4] = np.inf
  matrices[0, 1, 3, 3] = np.nan
  radius, norm = spectral_radius(matrices), largest_singular_value(matrices)
  for index in np.ndindex(2, 3):
    if index in ((1, 2), (0, 1)):
      assert np.isnan(radius[index]) and np.isnan(norm[index])
      continue
    eigenvalues = scipy.linalg.schur(matrices[index], output="complex")[0].diagonal()
    np.testing.assert_allclose(radius[index], np.abs(eigenvalues).max(), rtol=1e-10)
    wanted = scipy.linalg.norm(matrices[index], 2)
    np.testing.assert_allclose(norm[index], wanted, rtol=1e-10)


def test_a_projection_has_a_norm_and_no_radius():
  matrix = np.diag([1.0, 2.0, 3.0])[:, :2]
  tall = np.stack([matrix, 2 * matrix])
  assert np.isnan(spectral_radius(tall)).all()
  assert spectral_radius(tall).shape == (2,)
  np.testing.assert_allclose(largest_singular_value(tall), [2, 4])


GATED = {
  "gru": GRU(),
  "gru_before": GRU(reset_after=False),
  "lstm": LSTM(),
  "lstm_coupled": LSTM(coupled=True),
  "wrapped": Residual(Zoneout(LSTM(), 0.3)),
}


def zeros_but(cell, params, gate):
  """Zero parameters, but for the ones in the block that is said to be the gate's."""
  params = jax.tree.map(jnp.zeros_like, params)
  for product, names in cell.gate_order.items():
    width = params[product]["kernel"].shape[1] // len(names)
    marked = np.repeat(np.array(names) == gate, width).astype(np.float32)
    params[product]["kernel"] += marked[None]
  return params


@pytest.mark.parametrize("name", GATED)
def test_each_block_drives_the_gate_of_its_name(name):
  """A matrix in one block moves that gate, as the cell's own step computes it."""
  cell = GATED[name]
  drawn = cell.init(jax.random.key(0), HIDDEN, HIDDEN)
  x = jnp.zeros((1, HIDDEN))
  ones = jax.tree.map(
    jnp.ones_like, cell.initial_carry(drawn, cell.project(drawn["input"], x))
  )

  @jax.jit
  def gates_of(params):
    tape, vectors = plain_tape(cell, params), rows_of(cell, params, 2)
    projection = cell.project(params["input"], x)
    return cell.step(tape, vectors, ones, projection, None, None)[1]

  still = gates_of(jax.tree.map(jnp.zeros_like, drawn))
  names = [gate for gates in cell.gate_order.values() for gate in gates]
  assert names
  for gate in names:
    params = zeros_but(cell, drawn, gate)
    blocks = recurrent_blocks(cell, jax.tree.map(np.asarray, params))
    assert list(blocks) == names
    for other, block in blocks.items():
      assert (block == (other == gate)).all(), other
    moved = gates_of(params)
    changed = {g for g in moved if np.abs(moved[g] - still[g]).max() > 1e-6}
    # A coupled input gate is one minus the forget gate.
    twin = {"input"} if gate == "forget" and "input" not in names else set()
    assert changed == {gate} | twin


def test_blocks_of_one_matrix_a_projection_and_many_seeds():
  draw = np.random.default_rng(2)
  kernel = draw.normal(size=(4, HIDDEN, HIDDEN)).astype(np.float32)
  blocks = recurrent_blocks(Elman(), {"hidden": {"kernel": kernel}})
  np.testing.assert_array_equal(blocks["hidden"], kernel)
  assert blocks["hidden"].dtype == np.float64
  params = {
    "hidden": {"kernel": draw.normal(size=(4, 2, 4 * HIDDEN))},
    "projection": {"kernel": draw.normal(size=(4, HIDDEN, 2))},
  }
  blocks = recurrent_blocks(LSTM(projection=2), params)
  order = ("input", "forget", "candidate", "output", "projection")
  assert tuple(blocks) == order
  together = np.concatenate([blocks[gate] for gate in order[:4]], axis=-1)
  np.testing.assert_array_equal(together, params["hidden"]["kernel"])
  np.testing.assert_array_equal(blocks["projection"], params["projection"]["kernel"])
  for gate in order:
    assert np.isnan(spectral_radius(blocks[gate])).all()
    wanted = [np.linalg.norm(block, 2) for block in blocks[gate]]
    np.testing.assert_allclose(largest_singular_value(blocks[gate]), wanted)
