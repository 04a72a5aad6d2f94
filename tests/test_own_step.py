"""A step of one's own against this library's cells on the same weights."""

import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rnn_research.cells import GRU, LSTM, HiddenCarry, MemoryCarry
from rnn_research.diagnostics import (
  ADJOINT,
  first_nonfinite_state,
  horizon,
  loss_gain,
  lyapunov_exponents,
  over_examples,
  rms_gain,
)
from rnn_research.diagnostics.own import diagnose, step_trace
from rnn_research.diagnostics.own.run import passes, read_by_loss
from rnn_research.report.figures.own_step import draw
from rnn_research.unroll import Trace, make_sinks, unroll
from tests.laws.closeness import assert_close
from tests.laws.losses import unoptimised
from tests.oracles import weights

TIME, BATCH, INPUTS, HIDDEN = 7, 3, 2, 4
LENGTHS = np.array([TIME, 4, 1])


def moved(tree):
  """Nothing left at zero."""
  keys = iter(jax.random.split(jax.random.key(7), 99))
  return jax.tree.map(
    lambda p: p + 0.5 * jax.random.normal(next(keys), p.shape, p.dtype), tree
  )


def of_flax(make, weight_map):
  """A cell of Flax: its step, its parameters, and ours."""
  cell = make(HIDDEN, param_dtype=jnp.float64)
  x = jnp.zeros((BATCH, INPUTS))
  carry = cell.initialize_carry(jax.random.key(0), x.shape)
  params = moved(cell.init(jax.random.key(1), carry, x))
  return cell.apply, params, weight_map(params["params"])


def of_equinox():
  """The same of Equinox, whose cell sees one example and not a batch."""
  cell = moved(eqx.nn.GRUCell(INPUTS, HIDDEN, key=jax.random.key(1)))

  def apply(cell, carry, x):
    carry = jax.vmap(cell)(x, carry)
    return carry, carry

  ours = {
    "input": {"kernel": cell.weight_ih.T, "bias": cell.bias},
    "hidden": {"kernel": cell.weight_hh.T, "bias": cell.bias_n},
  }
  return apply, cell, ours


LIBRARIES = {
  "flax_gru": (lambda: of_flax(nn.GRUCell, weights.linen_gru), GRU()),
  "flax_lstm": (lambda: of_flax(nn.LSTMCell, weights.linen_lstm), LSTM()),
  "equinox_gru": (of_equinox, GRU()),
}


def both(name):
  """(step, params, carry) of a library with a head, and (trace, head) of ours."""
  make, cell = LIBRARIES[name]
  apply, params, ours = make()
  k = jax.random.split(jax.random.key(3), 4)
  xs = jax.random.normal(k[0], (TIME, BATCH, INPUTS))
  head = jax.random.normal(k[1], (HIDDEN, 2))
  memory, hidden = 0.5 * jax.random.normal(k[2], (2, BATCH, HIDDEN))
  lstm = isinstance(cell, LSTM)
  carry = (memory, hidden) if lstm else hidden
  own = MemoryCarry(memory, hidden) if lstm else HiddenCarry(hidden)

  def step(params, carry, x):
    carry, hidden = apply(params["cell"], carry, x)
    return carry, hidden @ params["head"]

  trace = Trace(cell, False, ours, xs, jnp.asarray(LENGTHS), initial_carry=own)
  return (step, {"cell": params, "head": head}, carry, xs), (trace, head)


def loss(carry, ys):
  """Every output and every entry of the last carry take part; one an example."""
  rows = jnp.linspace(0.5, 2, ys.shape[0] * ys.shape[-1])
  rows = rows.reshape(ys.shape[0], 1, ys.shape[-1])
  cubes = sum((leaf**3).sum(-1) for leaf in jax.tree.leaves(carry))
  return (rows * ys + ys**2).sum((0, 2)) + cubes


@pytest.mark.parametrize("name", LIBRARIES)
def test_adjoint_and_gradient_are_those_of_the_same_cell_of_this_library(float64, name):
  """Through the taps of the fused adjoint; lengths 7, 4, 1, NaN padding."""
  (step, params, carry, xs), (trace, head) = both(name)
  lengths = jnp.asarray(LENGTHS)
  padded = np.arange(TIME)[:, None, None] >= LENGTHS[None, :, None]
  xs = jnp.where(padded, jnp.nan, xs)
  found = unoptimised(lambda p: passes(step, p, carry, xs, loss, lengths))(params)

  @unoptimised
  def ours(trace):
    sinks = make_sinks(ADJOINT, trace.cell, trace.params, trace.xs, trace.initial_carry)

    def total(sinks):
      last, hidden = unroll(
        trace.cell,
        trace.params,
        trace.xs,
        lengths=trace.lengths,
        initial_carry=trace.initial_carry,
        taps=(ADJOINT, sinks),
      )
      losses = loss(tuple(last), hidden @ head)
      return losses.sum(), losses

    readings, losses = jax.grad(total, has_aux=True)(sinks)
    return losses, jax.tree.leaves(readings.inside)

  losses, adjoint = ours(trace)
  assert_close(found.loss, losses, 1e-12)
  assert_close(jax.tree.leaves(found.adjoint), adjoint, 1e-12)
  assert read_by_loss(found).all()

  def plain(params):
    """Differentiated without any of it."""
    now, ys = carry, []
    for t in range(TIME):
      valid = (t < LENGTHS)[:, None]
      new, y = step(params, now, jnp.where(valid, xs[t], 0))
      now = jax.tree.map(lambda a, b, valid=valid: jnp.where(valid, a, b), new, now)
      ys.append(jnp.where(valid, y, 0))
    return loss(now, jnp.stack(ys)).mean()

  assert_close(found.gradient, unoptimised(jax.grad(plain))(params), 1e-12)


def test_a_trace_of_a_step_is_measured_like_that_of_a_cell(float64):
  """An LSTM, whose state is two leaves; gains, exponents and the first bad step."""
  (step, params, carry, xs), (trace, _) = both("flax_lstm")

  @unoptimised
  def figures(trace):
    adjoint = jnp.ones((BATCH, 2 * HIDDEN))
    return (
      loss_gain(trace, adjoint),
      rms_gain(trace, 2 * HIDDEN),
      lyapunov_exponents(trace, 3, burn_in=0, key=jax.random.key(5)),
      first_nonfinite_state(trace),
    )

  own = step_trace(step, params, carry, xs, jnp.asarray(LENGTHS))
  for got, right in zip(figures(own), figures(trace), strict=True):
    np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-11)


def test_a_diagnosis_is_made_of_them(float64, quickly, tmp_path):
  """What is asked for once is what the functions say one by one, and can be kept."""
  (step, params, carry, xs), (trace, head) = both("flax_gru")
  trace = Trace(trace.cell, False, trace.params, xs, None, None, trace.initial_carry)

  def last_output(carry, ys):
    return (ys[-1] ** 2).sum(-1)

  found = diagnose(step, params, carry, xs, last_output, exponents=2)
  outputs = trace.run()[1][-1] @ head
  np.testing.assert_allclose(found.loss, (outputs**2).sum(-1), rtol=1e-12)
  np.testing.assert_array_equal(found.reads, np.arange(TIME) == TIME - 1)
  adjoint = 2 * outputs @ head.T
  norm = np.median(np.log10(np.linalg.norm(adjoint, axis=-1)))
  np.testing.assert_allclose(found.adjoint.absolute.median[-1], norm, rtol=1e-12)

  def over(log):
    return over_examples(log, ~jnp.isnan(log))

  curve = over(loss_gain(trace, adjoint))
  for got, right in zip(found.gain.loss, curve, strict=True):
    np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-12)
  # With a loss at the last step alone, one is the other read backwards.
  backwards = found.adjoint.relative.median[::-1]
  np.testing.assert_allclose(backwards, curve.median[:TIME], atol=1e-10)
  for got, right in zip(found.gain.rms, over(rms_gain(trace, HIDDEN)), strict=True):
    np.testing.assert_allclose(got, right, rtol=1e-10, atol=1e-12)
  assert (found.gain.sup.median >= found.gain.rms.median[found.gain.sup_lags]).all()
  assert found.gain.sup_lags[-1] == TIME - 1
  np.testing.assert_equal(found.horizon, horizon(found.gain.loss.median, -3.0))
  assert (found.nonfinite_state, found.nonfinite_adjoint) == (-1, -1)
  assert found.exponents.shape == (2, BATCH)

  lines = str(found).splitlines()
  assert len(lines) == 10
  assert lines[1].split()[0] == f"{found.loss.mean():.4g}"
  assert lines[2].split()[0] == f"10^{curve.median[TIME - 1]:.2f}"
  found.save(tmp_path / "found.npz")
  with np.load(tmp_path / "found.npz") as kept:
    np.testing.assert_array_equal(kept["gain/loss/median"], found.gain.loss.median)
    name = "contribution/cell/params/hn/kernel/truncation_error"
    assert kept[name].shape == (TIME + 1,)
    assert kept.files == list(found.arrays())
  assert len(draw(found.arrays()).axes) == 4


def elman(weights, h, x):
  h = jnp.tanh(h @ weights["recurrent"] + x @ weights["input"])
  return h, h


def small_elman():
  """Weights of 3 units, a carry of 3 examples, 8 steps of 2 inputs."""
  keys = jax.random.split(jax.random.key(2), 3)
  weights = {
    "recurrent": 0.5 * jax.random.normal(keys[0], (3, 3)),
    "input": jax.random.normal(keys[1], (2, 3)),
  }
  return weights, jnp.zeros((3, 3)), jax.random.normal(keys[2], (8, 3, 2))


def test_no_lag_is_told_that_no_example_has(quickly):
  weights, carry, xs = small_elman()
  weights = {"recurrent": jnp.eye(3), "input": 0.1 * weights["input"]}
  lengths = jnp.array([5, 4, 3])
  found = diagnose(
    elman, weights, carry, xs, lambda h, ys: (h**2).sum(-1), lengths=lengths
  )
  lines = str(found).splitlines()
  median = found.gain.loss.median
  assert lines[2].split()[0] == f"10^{median[4]:.2f}" and "at lag 4" in lines[2]
  assert "over directions at lag 4;" in lines[4] and "nan" not in str(found)
  assert lines[5].split()[:2] == [">", "5"]


@pytest.mark.parametrize("reads", [slice(None), slice(2, 3)])
def test_a_place_is_called_a_distance_only_of_a_loss_at_the_end(quickly, reads):
  """TBPTT(4) misses nothing of a loss on output 2, four steps from the end."""
  found = diagnose(elman, *small_elman(), lambda h, ys: (ys[reads] ** 2).sum((0, 2)))
  assert "TBPTT" not in str(found)
  assert "of the gradient is of steps 4 and more before the end" in str(found)
  assert (
    draw(found.arrays()).axes[2].get_title("left") == "Steps K and more before the end"
  )
  at_end = diagnose(elman, *small_elman(), lambda h, ys: (ys[-1] ** 2).sum(-1))
  assert "is missed by TBPTT(4)" in str(at_end)


def test_a_step_may_have_its_weights_inside(quickly):
  weights, carry, xs = small_elman()

  def closed(_, h, x):
    return elman(weights, h, x)

  def loss(h, ys):
    return (ys[-1] ** 2).sum(-1)

  found = diagnose(closed, {}, carry, xs, loss)
  given = diagnose(elman, weights, carry, xs, loss)
  np.testing.assert_allclose(found.gain.rms.median, given.gain.rms.median, rtol=1e-5)
  np.testing.assert_allclose(found.exponents, given.exponents, rtol=1e-4, atol=1e-5)
  assert "no parameters were given" in str(found)


@pytest.mark.parametrize("name", ["flax_gru", "equinox_gru"])
def test_examples_say_ten_lines_of_numbers(name, monkeypatch, quickly, capsys):
  module = importlib.import_module(f"examples.{name}")
  for constant, small in (("HIDDEN", 3), ("LENGTH", 12), ("BATCH", 4)):
    monkeypatch.setattr(module, constant, small)
  module.main()
  said = capsys.readouterr().out
  lines = said.splitlines()
  assert lines[0].split() == "4 examples of 12 steps, a state of 3 entries".split()
  assert lines[1].endswith("reads the output of step 11")
  assert len(lines) == 10 and "nan" not in said and "inf" not in said
