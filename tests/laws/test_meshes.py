"""Laws of data parallelism: the single device's numbers, with one reduction."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.cells import GRU, LSTM, Elman
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close

TIME, BATCH, INPUTS, HIDDEN = 6, 4, 3, 5
# The three families, and the vectors that every step adds up over the batch.
PLACED = {
  "elman": Elman(),
  "gru": GRU(),
  "lstm": LSTM(),
  "gru_before": GRU(reset_after=False),
  "lstm_vectors": LSTM(peepholes=True, layer_norm=True, projection=4),
}
each_cell = pytest.mark.parametrize("name", PLACED)


def arguments(name):
  """Parameters, inputs, lengths and resets."""
  k = jax.random.split(jax.random.key(2), 4)
  params = PLACED[name].init(k[0], INPUTS, HIDDEN)
  keys = iter(jax.random.split(k[1], 99))
  params = jax.tree.map(
    lambda p: p + 0.3 * jax.random.normal(next(keys), p.shape, p.dtype), params
  )
  xs = jax.random.normal(k[2], (TIME, BATCH, INPUTS), float)
  resets = jax.random.bernoulli(k[3], 0.3, (TIME, BATCH))
  return params, xs, jnp.array([TIME, 2, 0, 4]), resets


def loss(name, params, xs, lengths, resets, adjoint="fused"):
  """Sums over the batch only, so that devices can share it."""
  carry, outputs = unroll(
    PLACED[name], params, xs, lengths=lengths, resets=resets, adjoint=adjoint
  )
  ends = sum((leaf**3).sum() for leaf in jax.tree.leaves(carry))
  return ends + jnp.sin(3 * outputs).sum()


def gradient(name, adjoint="fused"):
  """The gradients of parameters and inputs."""
  return jax.grad(functools.partial(loss, name, adjoint=adjoint), (0, 1))


def mesh_of(axis_type):
  """Both devices along the batch."""
  assert jax.device_count() == 2
  return jax.make_mesh((2,), ("data",), axis_types=(axis_type,))


# Parameters, inputs, lengths, resets.
SPECS = (P(), P(None, "data"), P("data"), P(None, "data"))


def placed(mesh, values):
  """The batch split over the devices, the parameters on all of them."""
  return tuple(
    jax.device_put(value, NamedSharding(mesh, spec))
    for value, spec in zip(values, SPECS, strict=True)
  )


@each_cell
def test_three_kinds_of_mesh_give_the_single_device_gradient(float64, name):
  values = arguments(name)
  both = jax.value_and_grad(functools.partial(loss, name), (0, 1))
  wanted = jax.jit(both)(*values)

  auto = mesh_of(AxisType.Auto)
  assert_close(jax.jit(both)(*placed(auto, values)), wanted, 1e-12, "auto")

  explicit = mesh_of(AxisType.Explicit)
  with jax.set_mesh(explicit):
    assert_close(jax.jit(both)(*placed(explicit, values)), wanted, 1e-12, "explicit")

  def on_one_device(*values):
    value, gradients = both(*values)
    return jax.lax.psum(value, "data"), gradients

  manual = jax.jit(
    jax.shard_map(
      on_one_device,
      mesh=auto,
      in_specs=SPECS,
      out_specs=(P(), (P(), P(None, "data"))),
    )
  )
  assert_close(manual(*placed(auto, values)), wanted, 1e-12, "shard_map")


def reductions(name, adjoint):
  """All-reduces of the compiled program, and those inside of loops."""
  mesh = mesh_of(AxisType.Auto)
  out = (
    NamedSharding(mesh, P()),
    NamedSharding(mesh, P(None, "data")),
  )
  program = jax.jit(gradient(name, adjoint), out_shardings=out)
  text = program.lower(*placed(mesh, arguments(name))).compile().as_text()
  total = inside = 0
  entry = False
  for line in text.splitlines():
    if line.endswith("{") and not line.startswith(" "):
      entry = line.startswith("ENTRY")
    if " all-reduce(" in line or " all-reduce-start(" in line:
      total += 1
      inside += not entry
  return total, inside


@each_cell
def test_one_reduction_over_the_devices_per_gradient(name):
  """Autodiff of the scan, for comparison, reduces inside of its loop."""
  assert reductions(name, "fused") == (1, 0)
  assert reductions(name, "autodiff")[1] >= 1
