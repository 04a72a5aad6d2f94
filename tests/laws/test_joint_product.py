"""Law: whether [x, h] is multiplied at once changes nothing but the time."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.cells import LSTM, Elman
from rnn_research.unroll import joint_product as module
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close
from tests.laws.losses import loss, unoptimised
from tests.laws.subjects import subject

ROUNDING = 1e-12


def products(run, *arguments, platform="cpu"):
  """How many are lowered: before that, the loop stands there once for each platform."""
  program = jax.jit(run).trace(*arguments).lower(lowering_platforms=(platform,))
  return program.as_text().count("stablehlo.dot_general")


def outputs(cell):
  return lambda params, xs: unroll(cell, params, xs)[1]


@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_large_weights_are_multiplied_apart_and_say_the_same(
  float64, monkeypatch, name
):
  s = subject(name, jnp.float64)

  def run(params, xs, carry):
    return unroll(s.cell, params, xs, initial_carry=carry, lengths=s.lengths)

  def gradients(*arguments):
    return jax.value_and_grad(lambda *a: loss(*run(*a)), (0, 1, 2))(*arguments)

  arguments = s.params, s.xs, s.carry
  found, counts = [], []
  for largest in (module.LARGEST, 0):
    monkeypatch.setattr(module, "LARGEST", largest)
    counts.append(products(lambda *a: run(*a)[1], *arguments))
    found.append(unoptimised(lambda *a: gradients(*a))(*arguments))
  assert counts[1] == counts[0] + 1
  assert_close(*found, ROUNDING)


@pytest.mark.parametrize("cell, units", [(Elman(), 400), (LSTM(), 200)])
@pytest.mark.parametrize("sequences, expected", [(15, 1), (16, 2), (63, 2), (64, 1)])
def test_some_sequences_on_one_device_have_two_products(
  cell, units, sequences, expected
):
  """Which run beside each other, on all cores; smaller weights have one."""
  xs = jnp.zeros((2, sequences, units))
  params = cell.init(jax.random.key(0), units, units)
  assert products(outputs(cell), params, xs) == expected
  assert products(outputs(cell), params, xs, platform="cuda") == 1
  params = cell.init(jax.random.key(0), units, 100)
  assert products(outputs(cell), params, xs) == 1


def test_devices_that_share_the_cores_have_one_product():
  """Of 64 sequences on two devices, 32 on each."""
  mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
  xs = jax.device_put(jnp.zeros((2, 64, 400)), NamedSharding(mesh, P(None, "batch")))
  params = Elman().init(jax.random.key(0), 400, 400)
  params = jax.device_put(params, NamedSharding(mesh, P()))
  assert products(outputs(Elman()), params, xs) == 1
