"""Units one by one: networks whose gates are set by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman, Zoneout
from rnn_research.diagnostics import log_retention, unit_statistics
from rnn_research.unroll import Trace
from tests.laws.plain_loop import plain_tape
from tests.laws.subjects import SIZE, TIME, MinGRU, subject

statistics = jax.jit(unit_statistics)


pytestmark = pytest.mark.usefixtures("quick_module")


def logit(p):
  return jnp.log(p / (1 - p))


def set_by_hand(cell, gates, inputs=None, steps=12, **fields):
  """A cell without recurrent weights, whose gates before activation are given.

  Args:
    cell: the cell.
    gates: (gates, units), the input's bias.
    inputs: (gates, units), weights of one input.
    steps: of a random input, two examples.
    **fields: of the trace.
  """
  gates = jnp.asarray(gates, float)
  count, units = gates.shape
  params = cell.init(jax.random.key(0), 1, units)
  params = jax.tree.map(jnp.zeros_like, params)
  params["input"]["bias"] = gates.reshape(-1)
  if inputs is not None:
    params["input"]["kernel"] = jnp.asarray(inputs, float).reshape(1, count * units)
  xs = jax.random.normal(jax.random.key(1), (steps, 2, 1))
  return Trace(cell, False, params, xs, **fields)


def test_an_lstm_keeps_by_its_forget_gate():
  """1/tau = -ln f: 9.49 steps at f = 0.9, not the 10 of 1/(1 - f)."""
  forget = jnp.array([0.1, 0.5, 0.9, 0.99])
  zero = jnp.zeros(4)
  found = statistics(set_by_hand(LSTM(), [zero, logit(forget), zero, zero]))
  np.testing.assert_allclose(found.retention, np.log(forget), rtol=1e-5)
  np.testing.assert_allclose(found.time_scale, -1 / np.log(forget), rtol=1e-5)
  assert abs(found.time_scale[2] - 9.4912) < 1e-3


@pytest.mark.parametrize("reset_after", [False, True])
def test_a_gru_keeps_by_the_coefficient_of_its_state(reset_after):
  update = jnp.array([0.2, 0.7, 0.95])
  zero = jnp.zeros(3)
  trace = set_by_hand(GRU(reset_after), [zero, logit(update), zero])
  np.testing.assert_allclose(
    statistics(trace).time_scale, -1 / np.log(update), rtol=1e-5
  )


def test_retention_is_independent_of_the_convention_of_z(float64):
  """minGRU keeps by 1 - z."""
  s = subject("min_gru", jnp.float64)
  trace = Trace(MinGRU(), False, s.params, jnp.nan_to_num(s.xs))
  x = np.nan_to_num(np.asarray(s.xs)) @ np.asarray(s.params["input"]["kernel"])
  wanted = np.log(1 - 1 / (1 + np.exp(-x[..., :SIZE])))
  np.testing.assert_allclose(log_retention(trace), wanted, rtol=1e-10)


def test_retention_on_data_is_the_gate_that_the_cell_names(float64):
  """With recurrent weights: what goes through a product is not kept directly."""
  for name, gate in (("lstm", "forget"), ("gru", "update"), ("gru_before", "update")):
    s = subject(name, jnp.float64)
    trace = Trace(s.cell, False, s.params, s.xs[:, :1], lengths=jnp.array([TIME]))
    carry = s.cell.initial_carry(s.params, s.cell.project(s.params["input"], s.xs[0]))
    carry = jax.tree.map(lambda leaf: leaf[:1], carry)
    found = jax.jit(log_retention)(trace)
    assert found.shape[0] == TIME
    for t in range(TIME):
      carry, gates = stepped(s.cell, s.params, carry, s.xs[t, :1])
      np.testing.assert_allclose(found[t], np.log(gates[gate]), rtol=1e-10)


def stepped(cell, params, carry, x):
  projection = cell.project(params["input"], x)
  return cell.step(plain_tape(cell, params), {}, carry, projection, None, None)


def test_zoneout_keeps_more_and_an_elman_network_nothing():
  """Expected retention p + (1 - p) f; without direct part minus infinity."""
  forget = jnp.array([0.2, 0.6])
  zero = jnp.zeros(2)
  trace = set_by_hand(Zoneout(LSTM(), 0.25), [zero, logit(forget), zero, zero])
  wanted = np.log(0.25 + 0.75 * np.asarray(forget))
  np.testing.assert_allclose(statistics(trace).retention, wanted, rtol=1e-5)
  found = statistics(set_by_hand(Elman(), jnp.ones((1, 2)), jnp.ones((1, 2))))
  assert np.isneginf(found.retention).all()
  np.testing.assert_array_equal(found.time_scale, np.zeros(2))


def test_dead_and_saturated_units_are_told_apart():
  """Constant, varying, always open, always shut, and at both ends."""
  zero = jnp.zeros(5)
  bias = jnp.array([0.0, 0.0, 9.0, -9.0, 0.0])
  weight = jnp.array([0.0, 1.0, 1.0, 1.0, 60.0])
  varied = jnp.ones(5)
  found = statistics(
    set_by_hand(LSTM(), [zero, bias, zero, zero], [zero, weight, varied, zero], 40)
  )
  forget = found.gates["forget"]
  np.testing.assert_array_equal(forget.dead, [True, False, False, False, False])
  np.testing.assert_array_equal(forget.low, [False, False, False, True, False])
  np.testing.assert_array_equal(forget.high, [False, False, True, False, False])
  assert found.gates["input"].dead.all()
  assert not found.state.any()
  # A tanh has its ends at -1 and 1.
  bias = jnp.array([[5.0, -5.0, 0.0]])
  hidden = statistics(set_by_hand(Elman(), bias, jnp.full((1, 3), 0.1))).gates["hidden"]
  np.testing.assert_array_equal(hidden.high, [True, False, False])
  np.testing.assert_array_equal(hidden.low, [False, True, False])


@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_is_no_forgetting(reverse):
  """What a step keeps of a state that it doesn't begin with is left out of the mean."""
  zero, some = jnp.zeros(2), jnp.ones(2)
  trace = set_by_hand(LSTM(), [zero] * 4, [zero, some, some, zero], 8)
  resets = jnp.zeros((8, 2), bool).at[3, 0].set(True).at[:2].set(True)
  forget = 1 / (1 + np.exp(-np.asarray(trace.xs)[..., 0]))
  # Where a new sequence begins, going backward, is the step before.
  begins = jnp.roll(resets, -1, 0).at[-1].set(False) if reverse else resets
  wanted = np.log(forget[~np.asarray(begins)]).mean()
  found = statistics(Trace(LSTM(), reverse, trace.params, trace.xs, resets=resets))
  np.testing.assert_allclose(found.retention, np.full(2, wanted), rtol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_counts_for_nothing(reverse):
  """NaN behind 3 of 8 steps, in either direction."""
  zero, some = jnp.zeros(2), jnp.ones(2)
  weights = [zero, some, some, zero]
  trace = set_by_hand(LSTM(), [zero] * 4, weights, 8)
  lengths = jnp.array([8, 3])
  padding = jnp.arange(8)[:, None, None] >= lengths[None, :, None]
  padded = Trace(
    trace.cell,
    reverse,
    trace.params,
    jnp.where(padding, jnp.nan, trace.xs),
    lengths=lengths,
  )
  forget = 1 / (1 + np.exp(-np.asarray(trace.xs)[..., 0]))
  valid = ~np.asarray(padding)[..., 0]
  found = statistics(padded)
  np.testing.assert_allclose(
    found.retention, np.full(2, np.log(forget[valid]).mean()), rtol=1e-5
  )
  alone = jax.jit(log_retention)(padded)
  assert np.isnan(alone).sum() == 2 * (~valid).sum()
