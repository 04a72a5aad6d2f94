"""Laws of the loop over time: how it is compiled changes nothing."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.cells import GRU, LSTM
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close
from tests.laws.subjects import subject

SOME = ("elman", "gru", "gru_before", "lstm", "lstm_everything", "residual_zoneout")


def value_and_gradients(s, params, xs, reverse=False):
  """Of a loss in which no example knows of another."""

  def value(params, xs):
    carry, ys = unroll(s.cell, params, xs, reverse=reverse)
    loss = (ys**2).sum() + sum((leaf**3).sum() for leaf in jax.tree.leaves(carry))
    return loss, (carry, ys)

  return jax.value_and_grad(value, (0, 1), has_aux=True)(params, xs)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", SOME)
def test_an_example_alone_is_the_example_in_a_batch(float64, name, reverse):
  """On CPU the loop over a single sequence is compiled otherwise than all others."""
  s = subject(name, jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0.5, s.xs)[:, :1]
  twice = jnp.repeat(xs, 2, axis=1)

  @jax.jit
  def program(params):
    return (
      value_and_gradients(s, params, xs, reverse),
      value_and_gradients(s, params, twice, reverse),
    )

  ((loss, (_, ys)), (d_params, d_xs)), ((both, (_, pair)), (d_both, d_pair)) = program(
    s.params
  )
  assert_close(2 * loss, both, 1e-13)
  assert_close(ys, pair[:, 1:], 1e-13)
  assert_close(jax.tree.map(lambda leaf: 2 * leaf, d_params), d_both, 1e-13)
  assert_close(d_xs, d_pair[:, 1:], 1e-13)


@pytest.mark.parametrize("placed", [False, True], ids=["anywhere", "placed"])
@pytest.mark.parametrize("batch, one_function", [(1, True), (2, False)])
def test_on_cpu_a_single_sequence_runs_in_one_function(batch, one_function, placed):
  s = subject("lstm", jnp.float32)
  given = s.params, jnp.zeros((30, batch, s.xs.shape[-1]))
  if placed:
    given = jax.device_put(given, NamedSharding(jax.make_mesh((1,), ("batch",)), P()))
  program = jax.jit(lambda params, xs: value_and_gradients(s, params, xs)[1])
  compiled = program.lower(*given).compile().as_text()
  calls = [line for line in compiled.splitlines() if " call(" in line]
  assert len([call for call in calls if "xla_cpu_small_call" in call]) == (
    2 if one_function else 0
  )


def axes_of_stacks(cell, hidden):
  """Of every array of all steps that the loops of a gradient write, how many axes."""
  xs = jnp.zeros((30, 2, 16))
  params = cell.init(jax.random.key(0), 16, hidden)
  program = jax.jit(jax.grad(lambda p: unroll(cell, p, xs)[0].hidden.sum()))
  compiled = program.lower(params).compile().as_text()
  return [
    line.split("=")[1].split("]")[0].count(",") + 1
    for line in compiled.splitlines()
    if "dynamic-update-slice" in line and "= f32[30," in line
  ]


@pytest.mark.parametrize("hidden, axes", [(6, 2), (32, 3)], ids=["short", "vectors"])
def test_on_cpu_short_rows_are_stacked_as_one(hidden, axes):
  """Rows that no vector divides would be copied entry by entry."""
  found = axes_of_stacks(LSTM(), hidden)
  assert found and set(found) == {axes}


def test_what_is_cut_out_of_a_product_is_stacked_as_it_lies():
  """The candidate's part of a GRU's: of h, r, z, n, U_n h and the cotangents one."""
  found = axes_of_stacks(GRU(), 6)
  assert set(found) == {2, 3}
  assert 6 * found.count(3) == len(found)
  assert set(axes_of_stacks(GRU(reset_after=False), 6)) == {2}
