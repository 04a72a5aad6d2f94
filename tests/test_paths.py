"""The direct path, the split of an adjoint and rates, against written-out gates."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, multiplying, select
from rnn_research.diagnostics import (
  coherence_by_lag,
  contribution_by_lag,
  horizon,
  last_state,
  loss_gain,
  path_gain,
  rate,
  split_shares,
)
from rnn_research.diagnostics.own import step_trace
from rnn_research.diagnostics.state import flatten_carry
from rnn_research.errors import StepError
from rnn_research.unroll import Trace, unroll

TIME, BATCH, INPUTS, HIDDEN = 9, 3, 2, 4
LENGTHS = np.array([9, 6, 4])
CELLS = {
  "elman": Elman(),
  "gru": GRU(),
  "gru_before": GRU(reset_after=False),
  "lstm": LSTM(),
}


def make(cell, reverse=False):
  keys = jax.random.split(jax.random.key(3), 4)
  params = cell.init(keys[0], INPUTS, HIDDEN)
  xs = jax.random.normal(keys[1], (TIME, BATCH, INPUTS), float)
  trace = Trace(cell, reverse, params, xs, jnp.asarray(LENGTHS))
  targets = jax.random.normal(keys[2], (TIME, BATCH, HIDDEN), float)
  return trace, targets


def adjoints(trace, targets, last_only=False):
  """dl/ds_t of every step by differentiating a perturbed loop, and the gates.

  The loss is a linear form of the outputs, of all of them or of the last valid.
  """
  cell, params = trace.cell, trace.params
  steps = np.arange(TIME)[:, None]
  valid = steps < LENGTHS[None]
  last = 0 if trace.reverse else LENGTHS[None] - 1
  weight = (steps == last) if last_only else valid
  carry = unroll(cell, params, trace.xs[:1])[0]
  zeros = jax.tree.map(lambda leaf: jnp.zeros((TIME, *leaf.shape), float), carry)

  def loss(nudges):
    carry = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), nudges)
    total, gates, states = 0.0, [None] * TIME, [None] * TIME
    for t in range(TIME)[::-1] if trace.reverse else range(TIME):
      projection = cell.project(params["input"], trace.xs[t])
      new, found = cell.step(
        multiplying(cell, params), {}, carry, projection, None, None
      )
      nudge = jax.tree.map(operator.itemgetter(t), nudges)
      new = jax.tree.map(jnp.add, new, nudge)
      carry = select(jnp.asarray(valid[t]), new, carry)
      gates[t], states[t] = found, new
      total += jnp.where(weight[t][:, None], carry.hidden * targets[t], 0).sum()
    return total, (gates, states)

  found, (gates, states) = jax.grad(loss, has_aux=True)(zeros)
  return found, gates, states


def direct_factor(trace, gates, states, t):
  """The diagonal of D_t, and what takes (c, h) covectors to c's: by the papers."""
  if isinstance(trace.cell, LSTM):
    c = states[t].memory
    return gates[t]["forget"], gates[t]["output"] * (1 - jnp.tanh(c) ** 2)
  if isinstance(trace.cell, GRU):
    return gates[t]["update"], None
  return jnp.zeros((BATCH, HIDDEN)), None


def gathered(trace, adjoint, factor):
  if factor is None:
    return adjoint
  return adjoint[:, :HIDDEN] + factor * adjoint[:, HIDDEN:]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", list(CELLS))
def test_the_path_gain_is_the_product_of_the_retaining_gates(name, reverse):
  trace, targets = make(CELLS[name], reverse)
  found, gates, states = adjoints(trace, targets, last_only=True)
  adjoint = last_state(trace, jax.vmap(flatten_carry)(found))
  log = np.asarray(path_gain(trace, adjoint))
  for b, length in enumerate(LENGTHS):
    order = np.arange(length)[::-1] if not reverse else np.arange(length)
    vector = np.asarray(adjoint[b])
    assert log[0, b] == 0
    assert np.isnan(log[length + 1 :, b]).all()
    for k, t in enumerate(order, start=1):
      kept, factor = direct_factor(trace, gates, states, t)
      if factor is not None:
        if k == 1:
          vector = vector[:HIDDEN] + np.asarray(factor[b]) * vector[HIDDEN:]
      vector = np.asarray(kept[b]) * vector
      if name == "elman":
        assert log[k, b] == -np.inf
      else:
        expected = np.log(np.linalg.norm(vector) / np.linalg.norm(adjoint[b]))
        np.testing.assert_allclose(log[k, b], expected, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", list(CELLS))
def test_shares_are_those_of_the_written_out_recursion_and_sum_to_one(name, reverse):
  trace, targets = make(CELLS[name], reverse)
  found, gates, states = adjoints(trace, targets)
  split = jax.tree.map(np.asarray, split_shares(trace, found))
  found = jax.vmap(flatten_carry)(found)
  together = split.direct + split.recurrent + split.loss
  valid = np.arange(TIME)[:, None] < LENGTHS[None]
  np.testing.assert_allclose(together[valid], 1, rtol=1e-12)
  assert np.isnan(together[~valid]).all()
  step = -1 if reverse else 1
  for b, length in enumerate(LENGTHS):
    for t in range(length):
      _, factor = direct_factor(trace, gates, states, t)
      whole = gathered(trace, found[t], factor)[b]
      square = whole @ whole
      own = jnp.zeros_like(found[t]).at[:, -HIDDEN:].set(targets[t])
      loss = whole @ gathered(trace, own, factor)[b] / square
      np.testing.assert_allclose(split.loss[t, b], loss, rtol=1e-10, atol=1e-12)
      direct = 0.0
      if 0 <= t + step < length:
        kept, later = direct_factor(trace, gates, states, t + step)
        direct = whole @ (kept * gathered(trace, found[t + step], later))[b] / square
      np.testing.assert_allclose(split.direct[t, b], direct, rtol=1e-10, atol=1e-12)


def test_a_step_that_names_no_products_is_not_split():
  def step(params, carry, x):
    return carry * params, carry

  trace = step_trace(step, jnp.ones(()), jnp.ones((2, 3)), jnp.ones((4, 2, 1)))
  with pytest.raises(StepError, match="no recurrent products"):
    path_gain(trace, jnp.ones((2, 3)))


@pytest.mark.usefixtures("float64")
def test_a_rate_is_the_slope_and_a_bent_curve_has_no_half_life():
  lags = jnp.arange(41.0)[:, None]
  straight = -0.1 * lags * jnp.array([[1.0, 3.0]])
  found = rate(straight, 5, 40)
  np.testing.assert_allclose(found.rate, -0.2, rtol=1e-14)
  assert found.exponential
  np.testing.assert_allclose(found.half_life, np.log(2) / 0.2, rtol=1e-14)
  bent = rate(jnp.where(lags < 20, -0.5 * lags, -10 - 0.01 * (lags - 20)), 5, 40)
  assert not bent.exponential
  assert np.isnan(bent.half_life)
  growing = rate(0.2 * lags, 5, 40)
  assert growing.exponential and np.isnan(growing.half_life)


@pytest.mark.usefixtures("float64")
def test_an_orthogonal_recurrence_has_the_rate_of_its_gain():
  cell = Elman()
  params = cell.init(jax.random.key(0), INPUTS, HIDDEN)
  params["hidden"]["kernel"] = 0.7 * params["hidden"]["kernel"]
  trace = Trace(cell, False, params, jnp.zeros((40, BATCH, INPUTS), float))
  log = loss_gain(trace, jnp.ones((BATCH, HIDDEN), float))
  found = rate(log, 10, 40)
  np.testing.assert_allclose(found.rate, np.log(0.7), rtol=1e-12)
  np.testing.assert_allclose(found.half_life, np.log(2) / -np.log(0.7), rtol=1e-12)


def test_the_horizon_is_the_last_crossing():
  curve = np.array([0.0, -4.0, -1.0, -3.0, -3.5, np.nan])
  found = horizon(curve, -3.0)
  assert (found.lag, found.censored, found.longest) == (3, False, 4)
  assert found.largest == 0
  never = horizon(np.array([0.0, -1.0, -2.0]), -3.0)
  assert never.censored and np.isnan(never.lag)


def parts_by_hand(trace, adjoint):
  """h_{T-k-1} (x) dz_{T-k} of each example and lag of a GRU, by its equations."""
  kernel = trace.params["hidden"]["kernel"]
  bias = trace.params["hidden"]["bias"]
  projection = trace.cell.project(trace.params["input"], trace.xs)

  def after(h, x, product):
    x_r, x_z, x_n = jnp.split(x, 3, -1)
    h_r, h_z, h_n = jnp.split(product, 3, -1)
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    return (1 - z) * jnp.tanh(x_n + r * (h_n + bias)) + z * h

  parts = np.zeros((TIME, BATCH, HIDDEN, 3 * HIDDEN))
  for b, length in enumerate(LENGTHS):
    states = [jnp.zeros(HIDDEN)]
    for t in range(length):
      h = states[-1]
      states.append(after(h, projection[t, b], h @ kernel))
    vector = adjoint[b]
    for k in range(length):
      t = length - 1 - k
      h = states[t]
      _, pull = jax.vjp(
        lambda h, p, t=t, b=b: after(h, projection[t, b], p), h, h @ kernel
      )
      dh, dz = pull(vector)
      parts[k, b] = np.outer(h, dz)
      vector = dh + kernel @ dz
  return parts


@pytest.mark.usefixtures("float64")
def test_lags_contribute_what_the_written_out_products_say():
  trace, targets = make(CELLS["gru"])
  found, *_ = adjoints(trace, targets, last_only=True)
  adjoint = last_state(trace, jax.vmap(flatten_carry)(found))
  parts = parts_by_hand(trace, adjoint)
  by_lag = parts.mean(1)
  whole = by_lag.sum(0)
  size = np.linalg.norm(whole)
  contribution = contribution_by_lag(trace, adjoint)
  close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-13)
  close(contribution.signed_share, (by_lag * whole).sum((1, 2)) / size**2)
  close(contribution.signed_share.sum(), 1)
  norms = np.linalg.norm(by_lag, axis=(1, 2))
  close(contribution.norm_share, norms / norms.sum())
  own = np.linalg.norm(parts, axis=(2, 3)).sum(1)
  close(contribution.example_norm_share, own / own.sum())
  for lag in range(TIME):
    tail, head = by_lag[lag:].sum(0), by_lag[:lag].sum(0)
    close(contribution.truncation_error[lag], np.linalg.norm(tail) / size)
    if lag:
      cosine = (head * whole).sum() / np.linalg.norm(head) / size
      close(contribution.cosine[lag], cosine)
  # The sum over the lags is the gradient of the mean loss itself.
  rows = np.arange(TIME)[:, None] == LENGTHS[None] - 1

  def mean_loss(params):
    ys = unroll(trace.cell, params, trace.xs, lengths=trace.lengths)[1]
    return jnp.where(rows[..., None], ys * targets, 0).sum() / BATCH

  close(whole, jax.grad(mean_loss)(trace.params)["hidden"]["kernel"])


@pytest.mark.usefixtures("float64")
def test_coherence_is_one_for_copies_and_zero_for_signs_at_random():
  cell, time, batch = Elman(), 3, 4096
  params = cell.init(jax.random.key(0), INPUTS, HIDDEN)
  one = jax.random.normal(jax.random.key(1), (time, 1, INPUTS), float)
  trace = Trace(cell, False, params, jnp.broadcast_to(one, (time, batch, INPUTS)))
  same = coherence_by_lag(trace, jnp.ones((batch, HIDDEN), float))
  # At lag 2 the state before the step is zero, and so is what it contributes.
  np.testing.assert_allclose(same.coherence[:2], 1, rtol=1e-12)
  assert np.isnan(same.coherence[2])
  signs = jax.random.rademacher(jax.random.key(2), (batch, 1), float)
  noise = coherence_by_lag(trace, jnp.broadcast_to(signs, (batch, HIDDEN)))
  np.testing.assert_allclose(noise.coherence[:2], 0, atol=4 / batch * 2)
