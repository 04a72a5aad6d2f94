"""Which device does what: seeds first, the batch over what is left."""

import inspect
import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.problem import Batch
from rnn_research.training.placement import (
  WORTH_SHARING,
  make_layout,
  over_seeds,
  place_seeds,
  place_shared,
  split_batch,
)
from rnn_research.training.start import start
from tests.small_run import make_config


class FakeMesh(types.SimpleNamespace):
  """Keeps its devices; a real mesh wants real ones, more than there are here."""

  def __init__(self, devices, names, axis_types):
    super().__init__(devices=devices, axis_names=names, size=devices.size)


@pytest.fixture
def layout_on(monkeypatch):
  """Makes a layout of so many devices of a platform, without its type checks."""
  monkeypatch.setattr("rnn_research.training.placement.Mesh", FakeMesh)

  def make(seeds, batch, devices, platform="cpu", **options):
    fakes = [types.SimpleNamespace(platform=platform) for _ in range(devices)]
    return inspect.unwrap(make_layout)(seeds, batch, fakes, **options)

  return make


@pytest.mark.parametrize(
  ("seeds", "batch", "devices", "on_cpu", "elsewhere"),
  [
    (1, 32, 1, (1, 1), (1, 1)),
    (1, 32, 2, (1, 2), (1, 2)),
    (2, 32, 2, (2, 1), (2, 1)),
    (3, 32, 2, (2, 1), (1, 2)),  # 2 and 1; or 3 don't divide: the batch is split
    (3, 5, 2, (2, 1), (1, 1)),  # nor does the batch: one device is left idle
    (10, 32, 4, (4, 1), (2, 2)),
    (5, 32, 4, (3, 1), (1, 4)),  # a fourth would have nothing to do
    (6, 20, 8, (6, 1), (2, 4)),
    (4, 6, 8, (4, 2), (4, 2)),
    (3, 6, 8, (3, 2), (1, 2)),
    (12, 7, 8, (6, 1), (4, 1)),
  ],
)
def test_seeds_first_then_the_batch(
  seeds, batch, devices, on_cpu, elsewhere, layout_on
):
  for platform, mesh in (("cpu", on_cpu), ("gpu", elsewhere)):
    layout = layout_on(seeds, batch, devices, platform)
    assert layout.mesh.axis_names == ("seed", "batch")
    assert layout.mesh.devices.shape == mesh
    assert layout.devices == mesh[0] * mesh[1]


def test_cpu_devices_share_no_batch_of_little_work(layout_on):
  """Neither those of one seed nor those that the seeds leave over."""
  little = {"work": WORTH_SHARING - 1}
  assert layout_on(1, 32, 2, **little).mesh.devices.shape == (1, 1)
  assert layout_on(4, 6, 8, **little).mesh.devices.shape == (4, 1)
  assert layout_on(1, 32, 2, "gpu", **little).mesh.devices.shape == (1, 2)
  assert layout_on(1, 32, 2, work=WORTH_SHARING).mesh.devices.shape == (1, 2)


@pytest.mark.parametrize(
  ("changes", "devices"),
  [
    ({"train.batch": 32, "model.hidden": 50}, 1),
    ({"train.batch": 32, "model.hidden": 50, "train.devices": 2}, 2),  # asked for
    ({"train.batch": 32, "model.hidden": 100}, 2),
    ({"train.batch": 32, "model.hidden": 50, "seeds": 2}, 2),
  ],
)
def test_a_run_shares_its_batch_where_that_pays(changes, devices, tmp_path):
  changes = {"train.devices": 0, "seeds": 1} | changes
  run = start(make_config(changes), str(tmp_path / "run"))
  assert run.layout.devices == devices


@pytest.mark.parametrize(("platform", "loop"), [("cpu", "map"), ("gpu", "vmap")])
def test_auto_asks_the_devices(platform, loop, layout_on):
  layout = layout_on(2, 8, 2, platform)
  assert (layout.platform, layout.loop) == (platform, loop)
  assert layout_on(2, 8, 2, platform, loop="vmap").loop == "vmap"


def shards(array):
  """Which rows of the leading axis lie on which device."""
  return {
    shard.device: np.asarray(shard.data).ravel().tolist()
    for shard in array.addressable_shards
  }


def test_seeds_lie_where_they_are_trained():
  first, second = jax.devices()
  numbers = jnp.arange(4)
  even = make_layout(4, 8, jax.devices())
  assert shards(place_seeds(even, numbers)) == {first: [0, 1], second: [2, 3]}
  odd = make_layout(3, 8, jax.devices())
  whole = {first: [0, 1, 2], second: [0, 1, 2]}
  assert shards(place_seeds(odd, numbers[:3])) == whole
  assert shards(place_shared(even, numbers[:3])) == whole


def test_a_device_may_have_a_seed_less():
  """No more than three seeds one after another: five on two devices."""
  layout = make_layout(5, 8, jax.devices())
  assert (dict(layout.mesh.shape), layout.spare) == ({"seed": 2, "batch": 1}, 1)
  own = place_seeds(layout, jnp.arange(5.0))
  program = jax.jit(over_seeds(layout, lambda own, shared: jnp.sin(own)))
  found = program(own, None)
  np.testing.assert_array_equal(found, jnp.sin(jnp.arange(5.0)))
  assert "f32[3]" in program.lower(own, None).compile().as_text()


@pytest.mark.parametrize("seeds", [1, 3, 4, 5])
@pytest.mark.parametrize("loop", ["map", "vmap"])
def test_every_seed_gets_its_own_and_what_is_shared(seeds, loop):
  layout = make_layout(seeds, 8, jax.devices(), loop)
  own = {"a": jnp.arange(seeds), "b": jnp.arange(6 * seeds).reshape(seeds, 2, 3)}
  shared = jnp.array([10, 20, 30])

  def function(own, shared):
    return own["a"] * 100 + own["b"] + shared[None]

  found = jax.jit(over_seeds(layout, function))(own, shared)
  for seed in range(seeds):
    wanted = function(jax.tree.map(lambda x, s=seed: x[s], own), shared)
    np.testing.assert_array_equal(found[seed], wanted)


def test_the_batch_is_cut_along_its_examples():
  layout = make_layout(1, 4, jax.devices())
  batch = Batch(
    inputs=jnp.arange(24.0).reshape(3, 4, 2),
    targets=jnp.arange(12).reshape(3, 4),
    weights=jnp.ones((3, 4)),
    lengths=jnp.arange(4),
    events=jnp.arange(8).reshape(4, 2),
    context=jnp.arange(4.0)[:, None],
  )

  def cut(own, shared):
    return split_batch(layout, own)

  # As in training, where the seeds' axis is manual and stands outside.
  stacked = jax.tree.map(lambda x: x[None], batch)
  placed = jax.jit(over_seeds(layout, cut))(place_seeds(layout, stacked), None)
  placed = jax.tree.map(lambda x: x[0], placed)
  for field, axis in [
    ("inputs", 1),
    ("targets", 1),
    ("weights", 1),
    ("lengths", 0),
    ("events", 0),
    ("context", 0),
  ]:
    leaf, whole = getattr(placed, field), getattr(batch, field)
    halves = np.split(np.asarray(whole), 2, axis)
    found = {shard.device: np.asarray(shard.data) for shard in leaf.addressable_shards}
    for device, half in itertools.zip_longest(jax.devices(), halves):
      np.testing.assert_array_equal(found[device], half, err_msg=field)
  assert placed.resets is None
