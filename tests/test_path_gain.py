"""Path gain against products of direct Jacobians, and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM, Elman, Initial, Tape
from rnn_research.diagnostics import flatten_carry, path_gain
from rnn_research.diagnostics.own import step_trace
from rnn_research.errors import StepError
from rnn_research.unroll import Trace
from tests.laws.jacobians import BATCH, TIME, traced, trajectory_jacobians
from tests.laws.losses import unoptimised


def cut_tape(s):
  """Products that are constants of any derivative."""
  operations = dict(s.cell.products)

  def product(name, value):
    return jax.lax.stop_gradient(operations[name](s.params[name], value))

  return Tape(product)


@pytest.mark.parametrize(
  "name, reverse",
  [("gru", False), ("lstm_peepholes", True), ("residual_zoneout", False)],
)
def test_path_gain_is_that_of_the_product_of_direct_jacobians(float64, name, reverse):
  s, trace = traced(name, reverse)
  size = flatten_carry(s.carry).shape[-1]
  adjoint = jax.random.normal(jax.random.key(5), (BATCH, size), jnp.float64)
  found = np.asarray(unoptimised(path_gain)(trace, adjoint))
  wanted = np.full((TIME + 1, BATCH), np.nan)
  for example, direct in enumerate(trajectory_jacobians(s, reverse, cut_tape(s))):
    vector = np.asarray(adjoint[example])
    length = np.linalg.norm(vector)
    for lag in range(len(direct) + 1):
      if lag:
        vector = vector @ direct[-lag]
      with np.errstate(divide="ignore"):
        wanted[lag, example] = np.log(np.linalg.norm(vector) / length)
  np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_without_gates_nothing_is_direct():
  cell = Elman()
  params = cell.init(jax.random.key(0), 3, 3)
  found = path_gain(Trace(cell, False, params, jnp.ones((4, 2, 3))), jnp.ones((2, 3)))
  assert (found[0] == 0).all() and np.isneginf(found[1:]).all()


def test_where_no_weight_recurs_the_path_is_everything(float64):
  """f^k in c, over what a float32 could hold: 2^-400."""
  cell, steps = LSTM(), 400
  params = cell.init(jax.random.key(0), 2, 3, Initial(gain=0.0, forget_bias=0.0))
  trace = Trace(cell, False, params, jnp.zeros((steps, 1, 2)))
  memory = jnp.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
  path = jax.jit(path_gain)(trace, memory)[:, 0]
  np.testing.assert_allclose(path, np.arange(steps + 1) * np.log(0.5), rtol=1e-12)


def test_a_step_that_names_no_products_has_no_direct_path():
  def step(params, carry, x):
    return carry * params, carry

  trace = step_trace(step, jnp.ones(()), jnp.ones((2, 3)), jnp.ones((4, 2, 1)))
  with pytest.raises(StepError, match="no recurrent products"):
    path_gain(trace, jnp.ones((2, 3)))
