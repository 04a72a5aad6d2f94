"""The total adjoint of every step, and the curves a heat map is drawn from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, MemoryCarry
from rnn_research.diagnostics import (
  ADJOINT,
  ADJOINT_NORM,
  adjoint_curves,
  at_events,
  event_lags,
  flatten_carry,
  last_state,
  loss_gain,
  total_adjoint,
  unflatten_carry,
)
from rnn_research.unroll import Measure, Trace, make_sinks, unroll
from tests.laws.losses import unoptimised
from tests.laws.subjects import BATCH, TIME, subject

TOTAL = Measure(inside=total_adjoint)
curves = jax.jit(adjoint_curves, static_argnames="reverse")


def read(measure, trace, loss):
  """What a measure reads inside of the backward pass of loss(carry, outputs)."""
  sinks = make_sinks(measure, trace.cell, trace.params, trace.xs, trace.initial_carry)

  def value(sinks):
    found = unroll(
      trace.cell,
      trace.params,
      trace.xs,
      lengths=trace.lengths,
      initial_carry=trace.initial_carry,
      reverse=trace.reverse,
      key=trace.key,
      taps=(measure, sinks),
    )
    return loss(*found)

  return jax.grad(value)(sinks).inside


@pytest.mark.parametrize(
  "name, reverse",
  [
    ("elman", False),
    ("gru", True),
    ("lstm_everything", False),
    ("residual_zoneout", True),
  ],
)
def test_gain_at_an_event_is_that_of_the_training_adjoint(float64, name, reverse):
  """Loss at the last valid step only: |a_e|/|a_T|, read by taps, is the loss gain.

  The one comes out of the fused backward scan, the other out of a recursion of its
  own over a trajectory of its own.
  """
  s = subject(name, jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0.3, s.xs)
  lengths = jnp.array([TIME, 3, 4, 2])
  trace = Trace(s.cell, reverse, s.params, xs, lengths, None, s.carry, key=s.key)
  events = jnp.array([[0, 3], [1, 2], [0, 3], [0, 1]])
  rows = np.arange(BATCH)
  last = np.zeros(BATCH, int) if reverse else np.asarray(lengths) - 1

  def loss(carry, outputs):
    final = outputs[last, rows]
    weights = jnp.asarray(np.linspace(0.5, 2, final.size).reshape(final.shape))
    return (weights * final).sum() + (final**2).sum()

  @unoptimised
  def both(trace):
    adjoint = jax.vmap(flatten_carry)(read(ADJOINT, trace, loss))
    gain = loss_gain(trace, last_state(trace, adjoint))
    return adjoint, at_events(gain, event_lags(trace, events))

  adjoint, found = both(trace)
  norms = np.linalg.norm(adjoint, axis=-1)
  for event, step in enumerate(np.asarray(events).T):
    wanted = np.log(norms[step, rows] / norms[last, rows])
    np.testing.assert_allclose(found[event], wanted, rtol=1e-10, atol=1e-13)


def sigmoid(value):
  """Of an array."""
  return 1 / (1 + np.exp(-value))


def test_total_adjoint_of_a_memory_against_finite_differences(float64):
  """c_t moved before h_t reads it; the carry's cotangent misses that way."""
  steps, size, move = 4, 3, 1e-6
  cell = LSTM()
  params = cell.init(jax.random.key(0), 2, size)
  xs = jax.random.normal(jax.random.key(1), (steps, 1, 2), jnp.float64)
  weights = np.random.default_rng(3).normal(size=(steps, size))
  trace = Trace(cell, False, params, xs)

  def loss(carry, outputs):
    return (weights[:, None] * outputs + outputs**2).sum()

  arrays = jax.tree.map(np.asarray, params)

  def plain(at=-1, offset=0.0):
    """Loss at every step, and the output gates; plain numpy."""
    c, h, total, slopes = np.zeros(size), np.zeros(size), 0.0, []
    for t, x in enumerate(np.asarray(xs[:, 0])):
      z = x @ arrays["input"]["kernel"] + arrays["input"]["bias"]
      i, f, g, o = np.split(z + h @ arrays["hidden"]["kernel"], 4)
      c = sigmoid(f) * c + sigmoid(i) * np.tanh(g) + (offset if t == at else 0)
      h = sigmoid(o) * np.tanh(c)
      slopes.append(sigmoid(o) * (1 - np.tanh(c) ** 2))
      total += weights[t] @ h + h @ h
    return total, np.array(slopes)

  wanted = np.array(
    [
      [(plain(t, d)[0] - plain(t, -d)[0]) / (2 * move) for d in move * np.eye(size)]
      for t in range(steps)
    ]
  )
  total, norm, whole = unoptimised(
    lambda trace: [read(m, trace, loss) for m in (TOTAL, ADJOINT_NORM, ADJOINT)]
  )(trace)
  np.testing.assert_allclose(total[:, 0], wanted, atol=1e-8)
  np.testing.assert_allclose(norm[:, 0], np.linalg.norm(wanted, axis=1), atol=1e-8)
  through_output = plain()[1][:, None] * whole.hidden
  np.testing.assert_allclose(total, whole.memory + through_output, atol=1e-13)
  # At the last step the carry's own cotangent is exactly zero, the total is not.
  assert (whole.memory[-1] == 0).all()
  assert (np.abs(through_output) > 1e-3).all()


def test_without_a_probe_the_total_adjoint_is_the_carrys(float64):
  s = subject("gru", jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0.3, s.xs)
  trace = Trace(s.cell, False, s.params, xs, initial_carry=s.carry)
  total, whole = unoptimised(
    lambda trace: [
      read(m, trace, lambda c, ys: (ys**2).sum()) for m in (TOTAL, ADJOINT)
    ]
  )(trace)
  assert np.abs(total).min() > 0
  np.testing.assert_array_equal(total, whole.hidden)


def test_flattening_goes_back():
  carry = MemoryCarry(jnp.arange(12.0).reshape(2, 3, 2), jnp.arange(8.0).reshape(2, 4))
  state = flatten_carry(carry)
  np.testing.assert_array_equal(state[1], [6, 7, 8, 9, 10, 11, 4, 5, 6, 7])
  for got, wanted in zip(unflatten_carry(state, carry), carry, strict=True):
    np.testing.assert_array_equal(got, wanted)


JUNK = (0.0, 7.0, np.nan, np.inf)


@pytest.mark.parametrize("junk", JUNK)
def test_curves_of_known_norms(junk):
  """Three examples of 4, 2 and 3 steps, a loss divided by 3; padding never counts."""
  norms = jnp.array(
    [[1, 10, 100], [2, 20, 5], [4, junk, 50], [8, junk, junk]], jnp.float32
  )
  found = curves(norms, jnp.float32(3), jnp.array([4, 2, 3]), reverse=False)
  absolute, relative, nonfinite = found
  expected = {
    "median": (absolute.median, np.log10([30, 15, 12, 24])),
    "q10": (absolute.q10, np.log10([3, 6, 12, 24])),
    "q90": (absolute.q90, np.log10([300, 60, 150, 24])),
    "rms": (
      absolute.rms,
      np.log10([90909 / 3, (36 + 3600 + 225) / 3, (144 + 22500) / 2, 576]) / 2,
    ),
    "relative median": (relative.median, np.log10([0.5, 0.25, 0.5, 1])),
    "relative q10": (relative.q10, np.log10([0.125, 0.1, 0.5, 1])),
    "relative q90": (relative.q90, np.log10([2, 1, 1, 1])),
    "relative rms": (
      relative.rms,
      np.log10([(1 / 64 + 1 / 4 + 4) / 3, 1.0725 / 3, 1.25 / 2, 1]) / 2,
    ),
  }
  for name, (got, wanted) in expected.items():
    np.testing.assert_allclose(got, wanted, atol=1e-6, err_msg=name)
  assert not nonfinite.any()


@pytest.mark.parametrize("lengths", [None, jnp.array([3, 2])])
def test_curves_are_relative_to_what_is_processed_last(lengths):
  """Backward that is position 0, forward the last valid one."""
  norms = jnp.array([[1.0, 4.0], [2.0, 2.0], [8.0, 0.5]])
  backward = curves(norms, jnp.float32(1), lengths, reverse=True).relative
  third = [1 / 8, 8] if lengths is None else [8, 8]
  np.testing.assert_allclose(backward.q10, np.log10([1, 0.5, third[0]]), atol=1e-6)
  np.testing.assert_allclose(backward.q90, np.log10([1, 2, third[1]]), atol=1e-6)
  forward = curves(norms, jnp.float32(1), lengths, reverse=False).relative
  second = [8, 4, 1] if lengths is None else [2, 1, 1]
  np.testing.assert_allclose(forward.q10, np.log10([1 / 8, 1 / 4, 1]), atol=1e-6)
  np.testing.assert_allclose(forward.q90, np.log10(second), atol=1e-6)


def test_curves_of_zeros_and_of_what_is_not_finite():
  """A zero counts, NaN is marked and left out, infinity is marked and shows."""
  norms = jnp.array([[0.0, 1.0, jnp.nan], [jnp.inf, 2.0, 3.0], [1.0, 4.0, 0.0]])
  absolute, relative, nonfinite = curves(norms, jnp.float32(1), None, reverse=False)
  np.testing.assert_array_equal(nonfinite, [True, True, False])
  np.testing.assert_array_equal(np.isneginf(absolute.q10), [True, False, True])
  np.testing.assert_allclose(absolute.q90, np.log10([1, np.inf, 4]), atol=1e-6)
  np.testing.assert_array_equal(np.isposinf(absolute.rms), [False, True, False])
  np.testing.assert_allclose(absolute.rms[0], -np.log10(2) / 2, atol=1e-6)
  # The third has no adjoint at its end: nothing can be relative to it.
  np.testing.assert_allclose(relative.q90, [-np.log10(4), np.inf, 0], atol=1e-6)
  np.testing.assert_allclose(relative.median[1:], [-np.log10(2), 0], atol=1e-6)


def test_an_examples_own_loss_knows_no_batch():
  """Many copies of one example under a mean loss give the curves of the one."""
  cell = LSTM()
  params = cell.init(jax.random.key(0), 2, 4)
  xs = jax.random.normal(jax.random.key(1), (6, 1, 2))

  @jax.jit
  def both(xs):
    found = []
    for copies in (1, 5):

      def loss(carry, outputs, copies=copies):
        return (outputs[-1] ** 2).sum() / copies

      trace = Trace(cell, False, params, jnp.repeat(xs, copies, axis=1))
      norms = read(ADJOINT_NORM, trace, loss)
      found.append(adjoint_curves(norms, jnp.float32(copies), None, False))
    return found

  one, many = both(xs)
  pairs = zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True)
  for got, wanted in pairs:
    np.testing.assert_allclose(got, wanted, atol=1e-5)
  assert np.abs(one.absolute.rms).min() > 1e-2


def test_an_overflow_on_the_way_back_is_marked_not_drawn_as_zero():
  """A gain of 10^10 a step leaves single precision at lag 4, and stays outside."""
  cell = Elman()
  params = {
    "input": {"kernel": jnp.zeros((1, 2)), "bias": jnp.zeros(2)},
    "hidden": {"kernel": 1e10 * jnp.eye(2)},
  }
  trace = Trace(cell, False, params, jnp.zeros((8, 1, 1)))
  norms = read(ADJOINT_NORM, trace, lambda carry, outputs: outputs[-1].sum())
  absolute, _, nonfinite = curves(norms, jnp.float32(1), None, reverse=False)
  np.testing.assert_array_equal(nonfinite, np.arange(8) <= 7 - 4)
  finite = np.sqrt(2) * 10.0 ** np.array([30, 20, 10, 0])
  np.testing.assert_allclose(absolute.median[4:], np.log10(finite), atol=1e-5)
  assert not np.isneginf(absolute.median).any()
