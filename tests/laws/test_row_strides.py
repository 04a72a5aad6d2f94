"""The law of large matrices: how their rows are laid changes nothing but the time."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.cells import LSTM, Elman
from rnn_research.unroll import row_strides as module
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close
from tests.laws.losses import loss
from tests.laws.subjects import FAMILIES, subject

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def all_rows_are_spread(monkeypatch):
  monkeypatch.setattr(module, "LARGE", 1)
  monkeypatch.setattr(module, "PERIOD", 8)


def value_and_gradients(cell, adjoint="fused"):
  def value(params, xs, lengths):
    return loss(*unroll(cell, params, xs, lengths=lengths, adjoint=adjoint))

  return jax.jit(jax.value_and_grad(value))


def drawn(cell, inputs, units, sequences):
  xs = jax.random.normal(jax.random.key(1), (3, sequences, inputs), float)
  lengths = jnp.arange(sequences) % 3 + 1
  return cell.init(jax.random.key(0), inputs, units), xs, lengths


def spread_products(cell, arguments, platform):
  """Products in the program of the loss whose result has a row's length and a line."""
  program = jax.export.export(value_and_gradients(cell), platforms=[platform])
  lines = program(*arguments).mlir_module().splitlines()
  products = [line for line in lines if "stablehlo.dot_general" in line]
  return sum("x1040xf32" in line.split("->")[-1] for line in products)


@pytest.mark.parametrize("adjoint", ["fused", "autodiff"])
@pytest.mark.parametrize("name", FAMILIES)
def test_spread_rows_give_the_same_gradient(float64, monkeypatch, name, adjoint):
  s = subject(name, jnp.float64)
  arguments = s.params, s.xs, s.lengths
  wanted = value_and_gradients(s.cell, adjoint)(*arguments)
  all_rows_are_spread(monkeypatch)
  assert_close(value_and_gradients(s.cell, adjoint)(*arguments), wanted, 1e-13)


@pytest.mark.parametrize(
  "cell, inputs, units",
  [(LSTM(), 896, 128), (Elman(), 512, 512)],
  ids=["joint", "both_ways"],
)
def test_large_matrices_keep_their_gradient(float64, monkeypatch, cell, inputs, units):
  """With the sizes as they are: rows of 4 KB, half a million entries."""
  arguments = drawn(cell, inputs, units, 2)
  found = value_and_gradients(cell)(*arguments)
  monkeypatch.setattr(module, "FEW", ())
  assert_close(found, value_and_gradients(cell)(*arguments), 1e-13)


def test_rows_are_spread_on_cpu_alone():
  """The joint matrix of a forward pass; one both ways, where both have long rows."""
  found = {
    platform: [
      spread_products(LSTM(), drawn(LSTM(), 512, 256, 2), platform),
      spread_products(Elman(), drawn(Elman(), 256, 1024, 2), platform),
    ]
    for platform in PLATFORMS
  }
  assert found.pop("cpu") == [1, 2]
  assert set(map(tuple, found.values())) == {(0, 0)}


@pytest.mark.parametrize(
  "inputs, sequences",
  [(512, 1), (512, 64), (128, 2)],
  ids=["one sequence", "many", "a small matrix"],
)
def test_no_rows_are_spread_for_nothing(inputs, sequences):
  assert not spread_products(LSTM(), drawn(LSTM(), inputs, 256, sequences), "cpu")


def test_rows_of_another_length_are_left(monkeypatch):
  """They are spread where that length counts as the period."""
  arguments = drawn(LSTM(), 768, 256, 2)
  assert spread_products(LSTM(), arguments, "cpu") == 1
  monkeypatch.setattr(module, "PERIOD", 8192)
  assert not spread_products(LSTM(), arguments, "cpu")
