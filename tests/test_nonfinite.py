"""The first step that is not finite, planted and computed, in both passes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, HiddenCarry
from rnn_research.diagnostics import (
  ADJOINT,
  first_nonfinite_adjoint,
  first_nonfinite_state,
)
from rnn_research.unroll import Trace, make_sinks, unroll

STEPS, BATCH, SIZE = 8, 3, 2
state_step = jax.jit(first_nonfinite_state)
adjoint_step = jax.jit(first_nonfinite_adjoint, static_argnums=1)
both_ways = pytest.mark.parametrize(
  "reverse", [False, True], ids=["forward", "reverse"]
)


def quiet(cell, reverse=False, lengths=None):
  """A trace of small random inputs."""
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  xs = jax.random.normal(jax.random.key(1), (STEPS, BATCH, SIZE))
  return Trace(cell, reverse, params, xs, lengths)


def growing(activation, gain, reverse, start=0.0, steps=STEPS, lengths=None):
  """h' = phi(gain h) from a start, without input."""
  params = {
    "input": {"kernel": jnp.zeros((SIZE, SIZE)), "bias": jnp.zeros(SIZE)},
    "hidden": {"kernel": gain * jnp.eye(SIZE)},
  }
  xs = jnp.zeros((steps, BATCH, SIZE))
  carry = HiddenCarry(jnp.full((BATCH, SIZE), start))
  return Trace(Elman(activation), reverse, params, xs, lengths, initial_carry=carry)


@jax.jit
def adjoints(trace):
  """dl/ds_t for the loss h_T at the last step in processing order."""
  sinks = make_sinks(ADJOINT, trace.cell, trace.params, trace.xs)

  def value(sinks):
    _, outputs = unroll(
      trace.cell,
      trace.params,
      trace.xs,
      lengths=trace.lengths,
      reverse=trace.reverse,
      taps=(ADJOINT, sinks),
    )
    return outputs[0 if trace.reverse else -1].sum()

  return jax.grad(value)(sinks).inside


@both_ways
@pytest.mark.parametrize("cell", [LSTM(), Elman("relu")], ids=str)
def test_a_planted_input_is_found(cell, reverse):
  """The earliest in processing order over all examples; padding may hold anything."""
  lengths = jnp.array([STEPS, 6, 4])
  trace = quiet(cell, reverse, lengths)
  padding = np.arange(STEPS)[:, None] >= np.asarray(lengths)[None]
  xs = jnp.where(padding[..., None], jnp.nan, trace.xs)
  whole = Trace(cell, reverse, trace.params, xs, lengths)
  assert state_step(whole) == -1
  # An infinite input only saturates a gate; not a number goes through everything.
  bad = jnp.inf if cell == Elman("relu") else jnp.nan
  planted = xs.at[3, 0].set(bad).at[5, 1].set(bad)
  found = state_step(Trace(cell, reverse, trace.params, planted, lengths))
  assert found == (5 if reverse else 3)


@both_ways
def test_a_state_that_grows_overflows_where_computed(reverse):
  """relu, gain 10^10 from 1: 10^30 behind the third step, beyond 10^38 the fourth."""
  trace = growing("relu", 1e10, reverse, 1.0)
  assert state_step(trace) == (STEPS - 1 - 3 if reverse else 3)
  assert state_step(growing("relu", 1e10, reverse, 1.0, steps=3)) == -1


@both_ways
def test_nothing_overflows_on_padding(reverse):
  """Three valid steps stay finite, five do not, however long the padding."""
  for longest, wanted in ((3, -1), (5, 1 if reverse else 3)):
    lengths = jnp.array([3, longest, 1])
    assert state_step(growing("relu", 1e10, reverse, 1.0, lengths=lengths)) == wanted


@both_ways
def test_an_adjoint_that_grows_overflows_where_computed(reverse):
  """tanh at rest, gain 10^10: the states are zero, and 10^(10 k) is left at lag k."""
  trace = growing("tanh", 1e10, reverse)
  found = adjoints(trace)
  assert state_step(trace) == -1
  assert adjoint_step(found, reverse) == (4 if reverse else STEPS - 1 - 4)
  np.testing.assert_allclose(
    found.hidden[3 if reverse else STEPS - 1 - 3], 1e30, rtol=1e-5
  )


@both_ways
def test_a_loss_that_is_not_finite_breaks_the_adjoint_where_it_acts(reverse):
  """The backward pass begins at the last step in processing order."""
  trace = quiet(LSTM(), reverse)
  found = adjoints(trace)
  assert adjoint_step(found, reverse) == -1
  first = 0 if reverse else STEPS - 1
  broken = found._replace(memory=found.memory.at[first, 1, 0].set(jnp.inf))
  assert adjoint_step(broken, reverse) == first
  # Two of them: the one that the backward pass meets first.
  twice = found._replace(hidden=found.hidden.at[2, 0, 1].set(jnp.nan))
  twice = twice._replace(memory=found.memory.at[5, 2, 0].set(jnp.nan))
  assert adjoint_step(twice, reverse) == (2 if reverse else 5)
