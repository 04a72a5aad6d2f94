"""Contributions of lags against explicit gradients of every step's own kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, Tape
from rnn_research.diagnostics import contribution_by_lag, flatten_carry
from rnn_research.diagnostics.lag_parts import lag_parts
from rnn_research.unroll import Trace, unroll
from tests.laws.losses import unoptimised
from tests.laws.plain_loop import plain_loop
from tests.laws.subjects import BATCH, TIME, subject

RESETS = np.zeros((TIME, BATCH), bool)
RESETS[2, 0] = True


def own_loss(state):
  """A loss of the state behind one step; of every example its own."""
  weights = jnp.arange(1.0, state.shape[-1] + 1)
  return jnp.sin(state * weights[None]).sum()


def explicit(s, product, reverse, tau, example):
  """dl/d(state behind tau) of one example, and G_k by lag, by JAX of the plain loop.

  Each step has a kernel of its own, and the sequence ends at tau.
  """
  operations = dict(s.cell.products)
  length = int(s.lengths[example])
  first, end = (tau, length) if reverse else (0, min(tau + 1, length))
  one = slice(example, example + 1)

  def state(kernels):
    def tape_at(t):
      own = s.params[product] | {"kernel": kernels[t]}
      weights = s.params | {product: own}
      return Tape(lambda name, value: operations[name](weights[name], value))

    carry, _, _ = plain_loop(
      s.cell,
      s.params,
      s.xs[first:end, one],
      initial_carry=jax.tree.map(lambda leaf: leaf[one], s.carry),
      resets=jnp.asarray(RESETS[first:end, one]),
      reverse=reverse,
      tape_at=tape_at,
    )
    return flatten_carry(carry)

  @unoptimised
  def both(kernels):
    behind, pull = jax.vjp(state, kernels)
    adjoint = jax.grad(own_loss)(behind)
    return adjoint[0], pull(adjoint)[0]

  steps = max(end - first, 0)
  kernel = s.params[product]["kernel"]
  by_lag = np.zeros((TIME, *kernel.shape))
  if not steps:
    return np.zeros(flatten_carry(s.carry).shape[-1]), by_lag, 0
  adjoint, parts = both(jnp.stack([kernel] * steps))
  by_lag[:steps] = parts if reverse else parts[::-1]
  return np.asarray(adjoint), by_lag, steps


def figures(means, by_example):
  """What the definitions say, of G_k (lags, rows, columns) and all G_k^b."""
  flat = means.reshape(len(means), -1)
  whole = flat.sum(0)
  length = np.linalg.norm(whole)
  tails = [np.linalg.norm(flat[k:].sum(0)) / length for k in range(len(flat))]
  heads = [flat[:k].sum(0) for k in range(1, len(flat))]
  cosines = [h @ whole / np.linalg.norm(h) / length for h in heads]
  norms = np.linalg.norm(flat, axis=1)
  return {
    "truncation_error": tails,
    "cosine": [np.nan, *cosines],
    "signed_share": flat @ whole / length**2,
    "norm_share": norms / norms.sum(),
    "example_norm_share": by_example / by_example.sum(),
  }


@pytest.mark.parametrize(
  "name, product, reverse, taus",
  [
    ("lstm_projection", "hidden", False, None),
    ("gru_before", "candidate", True, None),
    ("gru", "hidden", False, (3, 2, 0, 0)),
    ("elman", "hidden", True, (1, 0, 0, 0)),
  ],
)
def test_contributions_are_those_of_explicit_gradients(
  float64, name, product, reverse, taus
):
  """Lengths 5, 3, 0 and 1, a reset, at the last step or at one for each example."""
  s = subject(name, jnp.float64)
  last = [0 if reverse else int(length) - 1 for length in s.lengths]
  found = [
    explicit(s, product, reverse, tau, example)
    for example, tau in enumerate(taus or last)
  ]
  adjoint, by_lag, steps = (
    np.stack(parts, axis)
    for parts, axis in zip(zip(*found, strict=True), (0, 1, 0), strict=True)
  )
  known = np.arange(TIME)[:, None] < steps[None]
  counts = known.sum(1)
  divided = np.full(TIME, BATCH) if taus is None else np.maximum(counts, 1)
  means = by_lag.sum(1) / divided[:, None, None]
  norms = np.linalg.norm(by_lag, axis=(2, 3)).sum(1) / divided

  trace = Trace(
    s.cell,
    reverse,
    s.params,
    s.xs,
    lengths=s.lengths,
    resets=jnp.asarray(RESETS),
    initial_carry=s.carry,
  )
  taus = None if taus is None else jnp.asarray(taus)
  result = unoptimised(
    lambda trace, adjoint: contribution_by_lag(
      trace, adjoint, product=product, steps=taus
    )
  )(trace, jnp.asarray(adjoint))
  for field, wanted in figures(means, norms).items():
    np.testing.assert_allclose(
      getattr(result, field), wanted, rtol=1e-9, atol=1e-13, err_msg=field
    )
  np.testing.assert_array_equal(result.examples, counts)
  weights = counts if taus is None else counts > 0
  tail = weights[::-1].cumsum()[::-1] / weights.sum()
  np.testing.assert_allclose(result.uniform_tail, tail)


def traced(cell, time, batch, scale=1.0):
  params = cell.init(jax.random.key(0), 3, 4)
  xs = scale * jax.random.normal(jax.random.key(1), (time, batch, 3))
  return Trace(cell, False, params, xs)


def test_lags_add_up_to_the_gradient_of_the_loss(float64):
  """By `jax.grad` of the unroll; the shares sum to 1 and nothing is left behind."""
  trace = traced(LSTM(), 6, 5)
  kernel = trace.params["hidden"]["kernel"]

  def mean_loss(kernel):
    params = trace.params | {"hidden": {"kernel": kernel}}
    carry, _ = unroll(trace.cell, params, trace.xs, adjoint="autodiff")
    return own_loss(flatten_carry(carry)) / 5

  whole = jax.jit(jax.grad(mean_loss))(kernel)
  adjoint = jax.grad(own_loss)(flatten_carry(trace.run()[0]))
  parts = jax.jit(lag_parts, static_argnums=(2, 3))(trace, adjoint, "hidden", None)
  summed = np.einsum("kbr,kbc->rc", parts.values, parts.cotangents) / 5
  np.testing.assert_allclose(summed, whole, rtol=1e-10, atol=1e-15)
  found = jax.jit(contribution_by_lag)(trace, adjoint)
  np.testing.assert_allclose(found.truncation_error[0], 1)
  for share in (found.signed_share, found.norm_share, found.example_norm_share):
    np.testing.assert_allclose(share.sum(), 1)
  np.testing.assert_allclose(found.uniform_tail, (6 - np.arange(6)) / 6)


def test_shares_know_no_scale():
  """1e-30 squared is zero in float32; that is a common factor, and nothing else."""
  trace = traced(LSTM(), 6, 5)
  adjoint = jax.random.normal(jax.random.key(3), (5, 8))
  shares = jax.jit(contribution_by_lag)
  small, plain = shares(trace, 1e-30 * adjoint), shares(trace, adjoint)
  for found, wanted in zip(small, plain, strict=True):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_product_must_be_a_dense_one():
  trace = traced(Elman(), 2, 1)
  with pytest.raises(ValueError, match=r"'gates' is not a dense one.*\['hidden'\]"):
    contribution_by_lag(trace, jnp.ones((1, 4)), product="gates")
