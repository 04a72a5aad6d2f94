"""One-step Jacobians of the whole carry at the zero state, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.unroll import step, unroll

SIZE, INPUTS = 6, 3
TOLERANCE = 1e-13


def jacobian(cell, params):
  """dh'/dh of all leaves of the carry at once, at zero, without input."""
  x = jnp.zeros((1, INPUTS), jnp.float64)
  zeros = cell.initial_carry(params, cell.project(params["input"], x))
  flat, back = ravel_pytree(zeros)

  def moved(flat):
    return ravel_pytree(step(cell, params, back(flat), x)[0])[0]

  return np.asarray(jax.jacobian(moved)(flat))


def drawn(cell, initial=None):
  """Parameters whose recurrent matrix is neither orthogonal nor symmetric."""
  return cell.init(
    jax.random.key(4), INPUTS, SIZE, initial or Initial(recurrent="gaussian")
  )


def ordered(values):
  """By real part, then imaginary part."""
  return values[np.lexsort((values.imag.round(9), values.real.round(9)))]


def test_elman_is_its_matrix(float64):
  cell = Elman()
  params = drawn(cell)
  wanted = params["hidden"]["kernel"].T
  np.testing.assert_allclose(jacobian(cell, params), wanted, atol=TOLERANCE)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_keeps_half(float64, reset_after):
  """J = I/2 + U_n/4: the update gate halves, and both gates cut the candidate."""
  cell = GRU(reset_after=reset_after)
  params = drawn(cell)
  kernel = (
    params["hidden"]["kernel"][:, 2 * SIZE :]
    if reset_after
    else params["candidate"]["kernel"]
  )
  wanted = np.eye(SIZE) / 2 + kernel.T / 4
  np.testing.assert_allclose(jacobian(cell, params), wanted, atol=TOLERANCE)


@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_lstm_eigenvalues(float64, forget_bias):
  """Half of them zero, the others sigma(b) + eig(U_g)/4."""
  cell = LSTM()
  initial = Initial(recurrent="gaussian", forget_bias=forget_bias)
  params = drawn(cell, initial)
  candidate = params["hidden"]["kernel"][:, 2 * SIZE : 3 * SIZE].T
  kept = 1 / (1 + np.exp(-forget_bias))
  wanted = kept * np.eye(SIZE) + np.asarray(candidate) / 4
  whole = jacobian(cell, params)
  assert np.linalg.matrix_rank(whole, tol=1e-10) == SIZE
  found = np.linalg.eigvals(whole)
  found = found[np.argsort(-np.abs(found))][:SIZE]
  wanted = np.linalg.eigvals(wanted)
  np.testing.assert_allclose(ordered(found), ordered(wanted), atol=1e-10)


def test_chrono_leaves_one_part_in_e(float64):
  """With forget bias ln(T - 1) and no weights, 1/e of dc after T steps."""
  longest = 200
  cell = LSTM()
  bias = float(np.log(longest - 1))
  params = drawn(cell, Initial(forget_bias=bias, gain=0.0))
  xs = jnp.zeros((longest, 1, INPUTS), jnp.float64)
  zeros = cell.initial_carry(params, cell.project(params["input"], xs[0]))

  def memory(start):
    return unroll(cell, params, xs, initial_carry=zeros._replace(memory=start))[
      0
    ].memory.sum()

  left = jax.grad(memory)(zeros.memory)
  np.testing.assert_allclose(left, (1 - 1 / longest) ** longest, rtol=1e-10)
  np.testing.assert_allclose(left, np.exp(-1), rtol=1 / longest)
