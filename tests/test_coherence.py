"""Coherence by lag against explicit matrices and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.cells import GRU, Elman
from rnn_research.diagnostics import coherence_by_lag
from rnn_research.unroll import Trace

TIME, INPUTS, SIZE = 5, 3, 4
by_lag = jax.jit(coherence_by_lag)


def traced(cell, batch, copies=1):
  """Examples of which each stands there several times."""
  params = cell.init(jax.random.key(0), INPUTS, SIZE)
  xs = jax.random.normal(jax.random.key(1), (TIME, batch, INPUTS))
  start = jax.random.normal(jax.random.key(2), (batch, SIZE))
  carry = type(cell.initial_carry(params, jnp.zeros((1, 3 * SIZE))))
  return Trace(
    cell,
    False,
    params,
    jnp.tile(xs, (1, copies, 1)),
    initial_carry=carry(jnp.tile(start, (copies, 1))),
  )


def coherence(parts):
  """C of one batch of matrices, (batch, rows, columns), as it is defined."""
  number = len(parts)
  squares = (parts**2).sum()
  return ((parts.sum(0) ** 2).sum() - squares) / ((number - 1) * squares)


def test_it_is_that_of_explicit_matrices(float64):
  """Four batches, dealt out in turn; lengths differ."""
  trace = traced(Elman(), 16)
  lengths = jnp.array([TIME, 3, TIME, TIME] * 3 + [2, 2, TIME, 1])
  trace = Trace(
    trace.cell, False, trace.params, trace.xs, lengths, None, trace.initial_carry
  )
  adjoint = jax.random.normal(jax.random.key(3), (16, SIZE))
  found = by_lag(trace, adjoint)

  kernel = np.asarray(trace.params["hidden"]["kernel"])
  project = trace.cell.project(trace.params["input"], trace.xs)
  parts = np.zeros((TIME, 16, SIZE, SIZE))
  for example, length in enumerate(np.asarray(lengths)):
    states = [np.asarray(trace.initial_carry.hidden[example])]
    for x in np.asarray(project)[:length, example]:
      states.append(np.tanh(x + states[-1] @ kernel))
    cotangent = np.asarray(adjoint[example])
    for lag in range(length):
      dz = cotangent * (1 - states[length - lag] ** 2)
      parts[lag, example] = np.outer(states[length - lag - 1], dz)
      cotangent = kernel @ dz
  known = np.arange(TIME)[:, None] < np.asarray(lengths)[None]
  for lag in range(TIME):
    batches = [parts[lag, n::4][known[lag, n::4]] for n in range(4)]
    assert found.examples[lag] == known[lag].sum()
    if min(map(len, batches)) < 2:
      assert np.isnan(found.coherence[lag])
      continue
    values = [coherence(batch) for batch in batches]
    np.testing.assert_allclose(found.coherence[lag], np.mean(values), rtol=1e-9)
    error = np.std(values, ddof=1) / 2
    np.testing.assert_allclose(found.standard_error[lag], error, rtol=1e-9)
  assert np.isfinite(found.coherence).sum() >= 3


def test_examples_that_agree_have_one(float64):
  trace = traced(GRU(), 1, copies=16)
  found = by_lag(trace, jnp.tile(jnp.arange(1.0, SIZE + 1)[None], (16, 1)))
  np.testing.assert_allclose(found.coherence, 1, rtol=1e-12)
  np.testing.assert_allclose(found.standard_error, 0, atol=1e-12)


def test_independent_signs_have_none():
  """G^b = s_b G: C is that of the signs, 0 within its standard error at every lag."""
  batch = 2048
  trace = traced(GRU(), 1, copies=batch)
  signs = jax.random.rademacher(jax.random.key(5), (batch,), jnp.float32)
  found = by_lag(trace, signs[:, None] * jnp.ones((1, SIZE)))
  values = []
  for n in range(4):
    own = np.asarray(signs[n::4], np.float64)
    values.append((own.sum() ** 2 - len(own)) / (len(own) * (len(own) - 1)))
  np.testing.assert_allclose(found.coherence, np.mean(values), atol=1e-6)
  error = np.std(values, ddof=1) / 2
  np.testing.assert_allclose(found.standard_error, error, atol=1e-6)
  assert (np.abs(found.coherence) < 2 * found.standard_error).all()
  # What is known of a product of signs: of one batch sqrt(2) / 512.
  assert 0.2 < error / (2**0.5 / 512 / 2) < 2


def test_a_gradient_far_below_the_square_roots_range_is_measured():
  """1e-30 squared is zero in float32."""
  trace = traced(GRU(), 8)
  adjoint = jax.random.normal(jax.random.key(3), (8, SIZE))
  plain, small = by_lag(trace, adjoint), by_lag(trace, 1e-30 * adjoint)
  np.testing.assert_allclose(small.coherence, plain.coherence, rtol=1e-3, atol=1e-5)
