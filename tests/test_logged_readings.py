"""Saturation and per-step weight gradients against what they are, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, LSTM, Elman
from rnn_research.diagnostics import (
  ADJOINT_NORM,
  Reading,
  Saturation,
  layer_reading,
  logged_measure,
  mean_saturation,
  saturation,
  weight_curves,
)
from rnn_research.unroll import Stacked, make_sinks, unroll

TIME, BATCH, SIZE = 5, 3, 4
EVERYTHING = Reading()
LENGTHS = (5, 3, 0)


def read(cell, params, xs, lengths, reading=EVERYTHING):
  """What the measure reads of the sum of squares of all outputs."""
  measure = logged_measure(reading)

  def loss(sinks):
    ys = unroll(cell, params, xs, lengths=lengths, taps=(measure, sinks))[1]
    return (ys**2).sum()

  return jax.grad(loss)(make_sinks(measure, cell, params, xs))


def test_shares_of_hand_made_gates():
  gate = jnp.array([[[0.05, 0.5, 0.95, 0.91], [0.1, 0.9, 0.5, 0.5]]])
  signed = jnp.array([[[-0.96, 0.96, 0.97, 0.0], [-0.95, 0.95, 0.0, 0.0]]])
  found = saturation(Stacked(None, {}, {}, {"forget": gate, "candidate": signed}, None))
  np.testing.assert_allclose(found["forget"].low, [[0.25, 0.0]])
  np.testing.assert_allclose(found["forget"].high, [[0.5, 0.0]])
  np.testing.assert_allclose(found["candidate"].low, [[0.25, 0.0]])
  np.testing.assert_allclose(found["candidate"].high, [[0.5, 0.0]])


@pytest.mark.parametrize("units", [1, 50, 63, 64, 5000])
def test_every_gate_has_shares_of_its_own(units):
  """Four gates, one of them half as wide, whose counts are summed in few numbers."""
  draws = np.random.default_rng(0).uniform(-1, 1, (4, TIME, BATCH, units))
  gates = {
    "input": np.abs(draws[0]),
    "forget": np.ones_like(draws[1]),
    "candidate": draws[2, ..., : (units + 1) // 2],
    "output": np.abs(draws[3]),
  }
  found = jax.jit(saturation)(
    Stacked(
      None, {}, {}, {k: jnp.asarray(g, jnp.float32) for k, g in gates.items()}, ()
    )
  )
  assert found.keys() == gates.keys()
  for name, gate in gates.items():
    low, high = (-0.95, 0.95) if name == "candidate" else (0.1, 0.9)
    np.testing.assert_allclose(found[name].low, (gate < low).mean(-1), 1e-6)
    np.testing.assert_allclose(found[name].high, (gate > high).mean(-1), 1e-6)


def test_padding_takes_no_part_in_the_mean():
  share = jnp.where(jnp.arange(TIME)[:, None] < jnp.array([LENGTHS]), 0.25, 1.0)
  found = mean_saturation({"gate": Saturation(share, 2 * share)}, jnp.array(LENGTHS))
  np.testing.assert_allclose(found["gate"], (0.25, 0.5))
  every = mean_saturation({"gate": Saturation(share, share)}, None)
  np.testing.assert_allclose(every["gate"].low, share.mean())


@pytest.mark.parametrize("cell", [Elman(), GRU(), LSTM(), LSTM(peepholes=True)])
def test_gates_that_biases_pin_are_saturated(cell):
  """A bias of +-9 on every gate: all of its units stand at that end."""
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  gates = cell.gate_order["hidden"]
  signs = np.where(np.arange(len(gates)) % 2, -1.0, 1.0)
  bias = jnp.asarray(np.repeat(9.0 * signs, SIZE), jnp.float32)
  params["input"]["bias"] = bias
  xs = 0.1 * jax.random.normal(jax.random.key(1), (TIME, BATCH, SIZE))
  readings = read(cell, params, xs, None)
  found = layer_reading(readings, None).saturation
  assert found.keys() == set(gates)
  for name, sign in zip(gates, signs, strict=True):
    np.testing.assert_allclose(found[name], (sign < 0, sign > 0), err_msg=name)


@pytest.mark.parametrize("reset_after", [True, False])
def test_weight_norms_are_those_of_the_steps_own_gradients(float64, reset_after):
  """Each step of each example with a weight of its own, differentiated by JAX."""
  cell = GRU(reset_after=reset_after)
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  xs = jax.random.normal(jax.random.key(1), (TIME, BATCH, SIZE))
  found = read(cell, params, xs, jnp.array(LENGTHS)).after.weights
  names = [name for name, _ in cell.products]
  assert found.keys() == set(names)

  def one_example(kernels, example):
    carry = None
    total = jnp.zeros(())
    for time in range(TIME):
      own = params | {n: params[n] | {"kernel": kernels[n][time]} for n in names}
      x = xs[time : time + 1, example : example + 1]
      carry, ys = unroll(cell, own, x, initial_carry=carry, adjoint="autodiff")
      if time >= LENGTHS[example]:
        break
      total += (ys**2).sum()
    return total

  copies = {n: jnp.stack([params[n]["kernel"]] * TIME) for n in names}
  for example in range(BATCH):
    gradient = jax.jit(jax.grad(one_example), static_argnums=1)(copies, example)
    for name in names:
      wanted = jnp.sqrt((gradient[name] ** 2).sum((1, 2)))
      np.testing.assert_allclose(found[name][:, example], wanted, 1e-12, 1e-14)


def test_curves_are_of_an_examples_own_loss():
  """The count that the loss was divided by is multiplied back in."""
  cell = LSTM()
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  xs = jax.random.normal(jax.random.key(1), (TIME, BATCH, SIZE))
  readings = read(cell, params, xs, None)
  norms = readings.after.weights["hidden"]
  curves = weight_curves({"hidden": norms}, jnp.array(10.0), None)["hidden"]
  rms = jnp.log10(10 * jnp.sqrt((norms**2).mean(1)))
  np.testing.assert_allclose(curves.rms[1:], rms[1:], rtol=1e-5, atol=1e-6)
  # The first step multiplies the initial carry, which is zero.
  assert curves.rms[0] == -jnp.inf


def test_what_is_not_asked_for_is_not_read():
  assert logged_measure(Reading(False, False, False)) is None
  cell = LSTM()
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  xs = jnp.ones((TIME, BATCH, SIZE))
  for asked in (Reading(True, False, False), Reading(False, True, False)):
    readings = read(cell, params, xs, None, asked)
    found = layer_reading(readings, None)
    assert (found.adjoint is not None) == asked.adjoint
    assert bool(found.saturation) == asked.saturation
    assert not found.weights


@pytest.mark.parametrize("cell", [GRU(), LSTM()])
def test_the_adjoints_norm_is_that_of_the_plain_measure(float64, cell):
  """Stacked and taken behind the scan, or step by step inside."""
  params = cell.init(jax.random.key(0), SIZE, SIZE)
  xs = jax.random.normal(jax.random.key(1), (TIME, BATCH, SIZE))

  def loss(sinks):
    taps = (ADJOINT_NORM, sinks)
    return (unroll(cell, params, xs, taps=taps)[1] ** 2).sum()

  plain = jax.grad(loss)(make_sinks(ADJOINT_NORM, cell, params, xs)).inside
  found = layer_reading(read(cell, params, xs, None), None).adjoint
  np.testing.assert_allclose(found, plain, rtol=1e-13)
