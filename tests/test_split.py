"""One-step shares against back-propagation of the cells' equations, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, MemoryCarry, Zoneout
from rnn_research.diagnostics import ADJOINT, split_shares
from rnn_research.unroll import Trace, make_sinks, unroll
from tests.laws.losses import unoptimised
from tests.laws.subjects import TIME, subject

STEPS, INPUTS, SIZE = 6, 3, 4


def read(trace):
  """The adjoint of a loss on every output and the last carry, and its shares."""

  def loss(sinks):
    carry, ys = unroll(
      trace.cell,
      trace.params,
      trace.xs,
      lengths=trace.lengths,
      resets=trace.resets,
      initial_carry=trace.initial_carry,
      context=trace.context,
      key=trace.key,
      reverse=trace.reverse,
      taps=(ADJOINT, sinks),
    )
    ends = sum((leaf**2).sum() for leaf in jax.tree.leaves(carry))
    return (weights_of(ys) * ys).sum() + ends

  sinks = make_sinks(
    ADJOINT, trace.cell, trace.params, trace.xs, trace.initial_carry, trace.context
  )
  adjoint = jax.grad(loss)(sinks).inside
  return adjoint, split_shares(trace, adjoint)


def weights_of(ys):
  return jax.random.normal(jax.random.key(9), ys.shape, ys.dtype)


@pytest.mark.parametrize(
  "name, reverse",
  [("elman_relu", False), ("gru_before", True), ("residual_zoneout", False)],
)
def test_shares_sum_to_one(float64, name, reverse):
  """Lengths 5, 3, 0 and 1, NaN padding, resets, noise, both directions."""
  s = subject(name, jnp.float64)
  trace = Trace(
    s.cell, reverse, s.params, s.xs, s.lengths, s.resets, s.carry, key=s.key
  )
  split = unoptimised(read)(trace)[1]
  lengths = np.asarray(s.lengths)
  valid = np.arange(TIME)[:, None] < lengths[None]
  np.testing.assert_allclose(sum(split)[valid], 1, rtol=1e-10)
  for share in split:
    assert np.isnan(share[~valid]).all()
  # Behind the last step there is nothing but the loss.
  last = 0 if reverse else lengths - 1
  some = lengths > 0
  loss = np.asarray(split.loss)[np.broadcast_to(last, lengths.shape)[some], some]
  np.testing.assert_allclose(loss, 1, rtol=1e-10)
  # A sequence begins anew at a step, or ends before it.
  resets = np.asarray(s.resets)[1:] & valid[1:]
  alone = np.asarray(split.loss)[1:] if reverse else np.asarray(split.loss)[:-1]
  np.testing.assert_allclose(alone[resets], 1, rtol=1e-10)


def single(cell):
  """A trace of one example, and its parameters and inputs as NumPy arrays."""
  params = cell.init(jax.random.key(0), INPUTS, SIZE)
  xs = 2 * jax.random.normal(jax.random.key(1), (STEPS, 1, INPUTS))
  trace = Trace(cell, False, params, xs)
  return trace, jax.tree.map(np.asarray, params), np.asarray(xs[:, 0])


def shares(total, *parts):
  return [(total * part).sum() / (total**2).sum() for part in parts]


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("projection", [0, 3])
def test_an_lstm_is_split_in_the_coordinates_of_its_memory(float64, projection):
  """A_t = f A_{t+1} + o (1 - tanh^2 c) (U' dz_{t+1} + loss_t), with P' where P is."""
  trace, params, xs = single(LSTM(projection=projection))
  _, split = unoptimised(read)(trace)
  out = params["projection"]["kernel"] if projection else np.eye(SIZE)
  recurrent = params["hidden"]["kernel"]
  c, h, kept = np.zeros(SIZE), np.zeros(out.shape[1]), []
  for x in xs:
    z = x @ params["input"]["kernel"] + params["input"]["bias"] + h @ recurrent
    i, f, g, o = np.split(z, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    kept.append((c, i, f, g, o))
    c = f * c + i * g
    h = (o * np.tanh(c)) @ out
  weights = np.asarray(weights_of(jnp.zeros((STEPS, 1, out.shape[1]))))[:, 0]
  own_h = list(weights)
  own_h[-1] = own_h[-1] + 2 * h
  own_c = [np.zeros(SIZE)] * (STEPS - 1) + [2 * c]
  direct, from_gates, after = np.zeros(SIZE), np.zeros(out.shape[1]), c
  for t in reversed(range(STEPS)):
    before, i, f, g, o = kept[t]
    slope = o * (1 - np.tanh(after) ** 2)
    mixed, own = slope * (out @ from_gates), slope * (out @ own_h[t]) + own_c[t]
    total = direct + mixed + own
    wanted = shares(total, direct, mixed, own)
    np.testing.assert_allclose([s[t, 0] for s in split], wanted, rtol=1e-9, atol=1e-12)
    d_h = out @ (from_gates + own_h[t])
    dz = [
      total * g * i * (1 - i),
      total * before * f * (1 - f),
      total * i * (1 - g**2),
      d_h * np.tanh(after) * o * (1 - o),
    ]
    direct, from_gates, after = f * total, recurrent @ np.concatenate(dz), before


def test_a_gru_keeps_by_its_update_gate(float64):
  """The direct part is z a, z of the step after."""
  trace, params, xs = single(GRU())
  adjoint, split = unoptimised(read)(trace)
  total = np.asarray(adjoint.hidden[:, 0])
  h, weights = np.zeros(SIZE), np.asarray(weights_of(jnp.zeros((STEPS, 1, SIZE))))
  for t, x in enumerate(xs):
    kernel, bias = params["hidden"]["kernel"], params["hidden"]["bias"]
    x_r, x_z, x_n = np.split(x @ params["input"]["kernel"] + params["input"]["bias"], 3)
    h_r, h_z, h_n = np.split(h @ kernel, 3)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    if t:
      direct, own = z * total[t], weights[t - 1, 0]
      wanted = shares(total[t - 1], direct, total[t - 1] - direct - own, own)
      np.testing.assert_allclose([s[t - 1, 0] for s in split], wanted, rtol=1e-10)
    h = (1 - z) * np.tanh(x_n + r * (h_n + bias)) + z * h


@pytest.mark.parametrize("kept", [None, 0.3])
def test_an_elman_network_has_no_direct_part_but_what_zoneout_keeps(float64, kept):
  trace, _, _ = single(Elman() if kept is None else Zoneout(Elman(), kept))
  adjoint, split = unoptimised(read)(trace)
  total = np.asarray(adjoint.hidden[:, 0])
  for t in range(STEPS - 1):
    (wanted,) = shares(total[t], (kept or 0) * total[t + 1])
    np.testing.assert_allclose(split.direct[t, 0], wanted, rtol=1e-10)


def test_an_adjoint_beyond_the_square_roots_range_has_shares():
  """1e-30 squared is zero in float32."""
  trace, _, _ = single(LSTM())
  ones = jnp.ones((STEPS, 1, SIZE))
  adjoint = MemoryCarry(ones, ones)
  split = jax.jit(split_shares)
  tiny = split(trace, jax.tree.map(lambda a: 1e-30 * a, adjoint))
  np.testing.assert_allclose(tiny, split(trace, adjoint), rtol=1e-3, atol=1e-5)
