"""Exponents against closed forms, determinants and an explicit QR of Jacobians."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, Initial
from rnn_research.diagnostics import lyapunov_exponents, qr_interval
from rnn_research.diagnostics.frames import orthonormalise, random_frame
from rnn_research.diagnostics.lyapunov import _safe_interval
from rnn_research.diagnostics.state import retrace
from rnn_research.unroll import Trace
from tests.laws.losses import unoptimised
from tests.laws.subjects import subject
from tests.laws.trajectories import trajectory

INPUTS, HIDDEN, STEPS = 2, 6, 60
CELLS = {
  "elman": Elman(),
  "gru": GRU(),
  "gru_before": GRU(reset_after=False),
  "lstm": LSTM(),
}
KEY = jax.random.key(3)
measured = jax.jit(lyapunov_exponents, static_argnums=1)


pytestmark = pytest.mark.usefixtures("quick_module")


def driven(name, batch=2, **fields):
  """A cell on random input."""
  cell = CELLS[name]
  params = cell.init(jax.random.key(1), INPUTS, HIDDEN, Initial(**fields))
  xs = jax.random.normal(jax.random.key(2), (STEPS, batch, INPUTS), float)
  return Trace(cell, False, params, xs)


def at_rest(name, **fields):
  trace = driven(name, 1, **fields)
  return Trace(trace.cell, False, trace.params, jnp.zeros_like(trace.xs))


def explicit(jacobians, frame):
  """ln R_ii of every step, (steps, count), of the frame's vectors in rows."""
  basis, logs = frame.T, []
  for matrix in jacobians:
    basis, triangle = np.linalg.qr(matrix @ basis)
    logs.append(np.log(np.abs(np.diagonal(triangle))))
  return np.reshape(logs, (len(jacobians), len(frame)))


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.3])
def test_orthogonal_weights_have_equal_exponents(float64, gain):
  """ln g, all of them."""
  found = measured(at_rest("elman", gain=gain), HIDDEN, key=KEY)
  np.testing.assert_allclose(found, np.full((HIDDEN, 1), np.log(gain)), atol=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_the_sum_of_all_is_the_mean_log_determinant(float64, name):
  """Along data, where the LSTM's Jacobian is invertible too."""
  trace = driven(name)
  size = 2 * HIDDEN if name == "lstm" else HIDDEN
  found = measured(trace, size, 1, 0, key=KEY).sum(0)
  wanted = [np.linalg.slogdet(trajectory(trace, e)[0])[1].mean() for e in range(2)]
  np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize(
  "name, reverse", [("elman", True), ("gru_before", False), ("lstm", True)]
)
def test_exponents_are_those_of_an_explicit_decomposition(float64, name, reverse):
  """Lengths 5, 3, 0 and 1, NaN padding, a carry of one's own; t0 = 1."""
  s = subject(name, jnp.float64)
  trace = Trace(
    s.cell, reverse, s.params, s.xs, lengths=s.lengths, initial_carry=s.carry
  )
  count = 3
  found = measured(trace, count, 1, 1, key=KEY)
  frame = np.asarray(random_frame(KEY, count, retrace(trace)[0]))
  for example, length in enumerate(s.lengths):
    if length < 2:
      assert np.isnan(found[:, example]).all()
      continue
    logs = explicit(trajectory(trace, example)[0], frame[:, example])
    np.testing.assert_allclose(found[:, example], logs[1:].mean(0), rtol=1e-9)


def test_the_default_burn_in_is_a_fifth_and_at_least_twenty_steps(float64):
  """Of 60 steps 20; of 24 half."""
  trace = driven("elman")
  trace = Trace(trace.cell, False, trace.params, trace.xs, lengths=jnp.array([60, 24]))
  by_default = measured(trace, 2, key=KEY)
  for example, skipped in enumerate((20, 12)):
    for burn_in in (skipped - 1, skipped):
      found = measured(trace, 2, 1, burn_in, key=KEY)[:, example]
      same = np.allclose(found, by_default[:, example], rtol=1e-9, atol=0)
      assert same == (burn_in == skipped)


def test_a_rank_that_is_lost_is_minus_infinity():
  """An LSTM at rest has H exponents of 2H; they are those of the c-coordinates."""
  trace = at_rest("lstm", gain=0.0)
  found = measured(trace, 2 * HIDDEN, key=KEY)[:, 0]
  kept = -np.log1p(np.exp(-1.0))
  np.testing.assert_allclose(found[:HIDDEN], np.full(HIDDEN, kept), atol=1e-5)
  assert np.isneginf(found[HIDDEN:]).all()
  found = measured(at_rest("lstm"), 2 * HIDDEN, key=KEY)[:, 0]
  assert np.isfinite(found[:HIDDEN]).all()
  assert np.isneginf(found[HIDDEN:]).all()


def test_a_safe_interval_changes_nothing(float64):
  """Every q steps: the same numbers, if the directions stay apart."""
  trace = driven("elman", gain=1.5)
  every = measured(trace, 3, 1, 20, key=KEY)
  q = qr_interval(every, "float64")
  assert q == 10
  for interval in (4, q):
    found = measured(trace, 3, interval, 20, key=KEY)
    np.testing.assert_allclose(found, every, rtol=1e-9)
  # Counted from the next multiple, 21: of steps that no interval cuts.
  np.testing.assert_allclose(
    measured(trace, 3, 7, 17, key=KEY), measured(trace, 3, 1, 21, key=KEY), rtol=1e-9
  )


@pytest.mark.parametrize("cell, gain", [("elman", 1.5), ("elman", 0.3), ("lstm", 1.0)])
def test_the_interval_that_is_found_on_the_way_changes_nothing(cell, gain):
  """Against a QR behind every step, in double and in single precision."""
  for dtype, tolerance in ((jnp.float64, 1e-9), (jnp.float32, 2e-5)):
    with jax.enable_x64(dtype == jnp.float64):
      trace = driven(cell, gain=gain)
      assert jax.tree.leaves(trace.params)[0].dtype == dtype
      every = measured(trace, 3, 1, 20, key=KEY)
      found = measured(trace, 3, None, 20, key=KEY)
      np.testing.assert_allclose(found, every, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
  "logs, wanted",
  [
    ([[0.0], [-0.5]], 6),
    ([[0.0, 0.0], [-0.1, -1.0]], 3),
    ([[0.0], [-20.0]], 1),
    ([[0.0], [-np.inf]], 1),
    ([[-np.inf], [-np.inf]], 1),
    ([[0.2]], 10),
  ],
)
def test_the_next_interval_keeps_half_of_what_is_allowed(logs, wanted):
  """By the gap of one step, and of the same over four."""
  logs = jnp.asarray(logs, jnp.float32)
  assert _safe_interval(logs, jnp.ones((), int)) == wanted
  assert _safe_interval(4 * logs, jnp.full((), 4)) == wanted


@pytest.mark.parametrize(
  "exponents, dtype, wanted",
  [
    ([[0.5], [-1.5]], "float32", 3),
    ([[0.5], [-1.5]], "float64", 10),
    ([[0.0, 0.0], [-0.1, -1.0]], "float32", 6),
    ([[0.0], [-4.0]], "float32", 1),
    ([[0.0], [-np.inf]], "float32", 1),
    ([[0.2]], "float32", 10),
  ],
)
def test_the_rule_of_the_interval(exponents, dtype, wanted):
  """q times the gap is at most 6 nats in float32 and 20 in float64."""
  assert qr_interval(np.array(exponents), dtype) == wanted


def test_gradients_of_exponents_are_those_of_finite_differences(float64):
  """Through Gram and Schmidt, the tangents and the trajectory."""
  trace = driven("gru", batch=1)
  trace = Trace(trace.cell, False, trace.params, trace.xs[:12])

  def figure(params):
    moved = Trace(trace.cell, False, params, trace.xs)
    exponents = lyapunov_exponents(moved, 3, 1, 4, key=KEY)
    return (exponents[:, 0] * jnp.array([1.0, -2.0, 3.0])).sum()

  gradient = unoptimised(jax.grad(figure))(trace.params)
  keys = iter(jax.random.split(jax.random.key(5), 10))
  along = jax.tree.map(
    lambda leaf: jax.random.normal(next(keys), leaf.shape, leaf.dtype), trace.params
  )
  value = unoptimised(figure)
  step = 1e-5

  def at(distance):
    return float(
      value(jax.tree.map(lambda p, d: p + distance * d, trace.params, along))
    )

  products = jax.tree.map(lambda g, d: (g * d).sum(), gradient, along)
  slope = float(functools.reduce(jnp.add, jax.tree.leaves(products)))
  assert abs(slope - (at(step) - at(-step)) / (2 * step)) < 1e-6 * abs(slope)


def test_frames_are_orthonormal_to_rounding_even_where_vectors_are_not_apart():
  """Nearly parallel vectors, of lengths whose squares leave the range of float32."""
  base = jax.random.normal(jax.random.key(0), (1, 1, 16))
  apart = 1e-4 * jax.random.normal(jax.random.key(1), (5, 1, 16))
  scales = jnp.array([1e-30, 1.0, 1e30, 1e-25, 1e5])[:, None, None]
  frame, logs = orthonormalise((base + apart) * scales)
  gram = np.asarray(frame[:, 0] @ frame[:, 0].T)
  np.testing.assert_allclose(gram, np.eye(5), atol=1e-6)
  exact = np.asarray(base + apart, np.float64)[:, 0]
  triangle = np.linalg.qr(exact.T)[1]
  wanted = np.log(np.abs(np.diagonal(triangle))) + np.log(np.asarray(scales)[:, 0, 0])
  np.testing.assert_allclose(logs[:, 0], wanted, atol=2e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_not_taken_for_a_lost_direction(bad):
  """A vector that is spoilt has no logarithm; a zero one has minus infinity."""
  vectors = jax.random.normal(jax.random.key(0), (3, 2, 8))
  vectors = vectors.at[1, 0, 4].set(bad).at[1, 1].set(0)
  _, logs = orthonormalise(vectors)
  assert np.isfinite(logs[0]).all()
  assert np.isnan(logs[1, 0])
  assert logs[1, 1] == -np.inf
  assert np.isfinite(logs[2, 1])
