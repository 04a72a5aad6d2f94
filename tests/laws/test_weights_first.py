"""The law of large matrices: which factor comes first changes nothing but the time."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.cells import GRU, LSTM, Elman, dense
from rnn_research.unroll import unroll
from rnn_research.unroll import weights_first as module
from tests.laws.closeness import assert_close
from tests.laws.losses import loss
from tests.laws.subjects import FAMILIES, subject

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def value_and_gradients(cell, adjoint="fused"):
  def value(params, xs, lengths):
    return loss(*unroll(cell, params, xs, lengths=lengths, adjoint=adjoint))

  return jax.jit(jax.value_and_grad(value))


def drawn(cell, inputs, units, sequences):
  xs = jax.random.normal(jax.random.key(1), (3, sequences, inputs), float)
  lengths = jnp.arange(sequences) % 3 + 1
  params = cell.init(jax.random.key(0), inputs, units)
  # No bias stays zero, as most begin.
  return jax.tree.map(lambda leaf: leaf + 0.01, params), xs, lengths


def products_with_weights_first(cell, arguments, platform):
  """Products in the program of the loss whose result is (columns, sequences)."""
  program = jax.export.export(value_and_gradients(cell), platforms=[platform])
  lines = program(*arguments).mlir_module().splitlines()
  products = [line for line in lines if "stablehlo.dot_general" in line]
  sequences = arguments[1].shape[1]
  return sum(f"x{sequences}xf32>" in line.split("->")[-1] for line in products)


@pytest.mark.parametrize("adjoint", ["fused", "autodiff"])
@pytest.mark.parametrize("name", FAMILIES)
def test_either_order_gives_the_same_gradient(float64, monkeypatch, name, adjoint):
  s = subject(name, jnp.float64)
  arguments = s.params, s.xs, s.lengths
  wanted = value_and_gradients(s.cell, adjoint)(*arguments)
  monkeypatch.setattr(module, "LARGE_ALONE", 1)
  assert_close(value_and_gradients(s.cell, adjoint)(*arguments), wanted, 1e-13)


@pytest.mark.parametrize(
  "cell, inputs, units",
  [(LSTM(), 896, 128), (GRU(), 64, 420), (Elman(), 512, 768)],
  ids=["joint", "with a short bias", "both ways"],
)
def test_large_matrices_keep_their_gradient(float64, monkeypatch, cell, inputs, units):
  """With the thresholds as they are."""
  arguments = drawn(cell, inputs, units, 2)
  found = value_and_gradients(cell)(*arguments)
  monkeypatch.setattr(module, "FEW", ())
  assert_close(found, value_and_gradients(cell)(*arguments), 1e-13)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 5)], ids=["rows", "sites"])
def test_it_is_the_product_of_whatever_dense_takes(float64, monkeypatch, shape, dtype):
  """Further axes, and a value of another type than the matrix."""
  monkeypatch.setattr(module, "LARGE_ALONE", 1)
  keys = jax.random.split(jax.random.key(0), 3)
  kernel, bias = jax.random.normal(keys[0], (5, 4)), jax.random.normal(keys[1], (2,))
  weights = {"kernel": kernel, "bias": bias}
  value = jax.random.normal(keys[2], shape).astype(dtype)
  laid = module.lay(dense, weights, jnp.zeros((2, *shape)))
  assert laid.turned is not None
  with jax.numpy_dtype_promotion("standard"):
    found, wanted = module.multiply(dense, laid, value), dense(weights, value)
  assert found.dtype == wanted.dtype
  assert_close(found, wanted, 1e-14)


def test_weights_come_first_on_cpu_alone():
  """The joint matrix on the way forward, the recurrent one on the way back."""
  arguments = drawn(LSTM(), 96, 384, 3)
  found = {
    platform: products_with_weights_first(LSTM(), arguments, platform)
    for platform in PLATFORMS
  }
  assert found == {"cpu": 2, "cuda": 0, "rocm": 0, "tpu": 0}


@pytest.mark.parametrize(
  "inputs, units, sequences",
  [(96, 384, 1), (96, 384, 64), (96, 256, 3)],
  ids=["one sequence", "many", "a small matrix"],
)
def test_sequences_come_first_otherwise(inputs, units, sequences):
  arguments = drawn(LSTM(), inputs, units, sequences)
  assert not products_with_weights_first(LSTM(), arguments, "cpu")


def test_a_split_batch_counts_what_a_device_has(monkeypatch):
  """64 sequences on two devices are 32 on each, and smaller matrices are large."""
  mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
  params, xs, _ = drawn(LSTM(), 96, 256, 64)
  xs = jax.device_put(xs, NamedSharding(mesh, P(None, "batch")))
  params = jax.device_put(params, NamedSharding(mesh, P()))

  def last(params, xs):
    return unroll(LSTM(), params, xs)[1][-1]

  program = jax.jit(last).lower(params, xs).compile()
  assert "f32[1024,32]" in program.as_text()
  monkeypatch.setattr(module, "FEW", ())
  assert_close(program(params, xs), last(params, xs), 1e-5)
