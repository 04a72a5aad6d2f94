"""Which device does what: seeds first, since they need no communication."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.problem import Batch, example_axes

Loop = Literal["map", "vmap"]

# Multiplications of one time step from which two CPU devices share a batch with gain:
# their exchange, and what each does for itself, cost a few tenths of a millisecond.
WORTH_SHARING = 1 << 18


class Layout(NamedTuple):
  """How S seeds of a batch lie on the devices; static.

  Attributes:
    seeds: S; the last of the devices may have fewer than the others.
    mesh: axes "seed" and "batch".
    loop: the seeds of one device run one after another ("map") or side by side
      ("vmap"). Batched products with one matrix a seed are slow on CPU, while one
      seed's matrices stay in its cache; GPU and TPU want them side by side.
  """

  seeds: int
  mesh: Mesh
  loop: Loop

  @property
  def spare(self) -> int:
    """Places for a seed that nobody needs."""
    return -self.seeds % self.mesh.shape["seed"]

  @property
  def devices(self) -> int:
    """Devices in use."""
    return self.mesh.size

  @property
  def platform(self) -> str:
    """Kind of the devices: cpu, gpu, tpu."""
    return self.mesh.devices.flat[0].platform


def make_layout(
  seeds: int,
  batch: int,
  devices: Sequence[jax.Device],
  loop: str = "auto",
  work: int = WORTH_SHARING,
) -> Layout:
  """Splits the seeds over the devices, and the batch over those that are left.

  On CPU as many as it takes to have the fewest seeds on each, the last with fewer than
  the others: there a device that idles for a while costs less than the exchange of a
  split batch. Elsewhere as many devices as divide the seeds.

  Args:
    seeds: independent trainings.
    batch: sequences of one step of one seed.
    devices: those to use; a platform is read from them, never guessed.
    loop: "map", "vmap", or "auto" for the one that suits the platform.
    work: multiplications of one time step of a batch; on CPU little is not shared.
  """
  on_cpu = devices[0].platform == "cpu"
  if on_cpu:
    over_seeds = math.ceil(seeds / math.ceil(seeds / len(devices)))
  else:
    over_seeds = math.gcd(seeds, len(devices))
  over_batch = math.gcd(batch, len(devices) // over_seeds)
  if on_cpu and work < WORTH_SHARING:
    over_batch = 1
  used = np.array(devices[: over_seeds * over_batch])
  mesh = Mesh(
    used.reshape(over_seeds, over_batch),
    ("seed", "batch"),
    axis_types=(AxisType.Auto, AxisType.Auto),
  )
  if loop == "auto":
    loop = "map" if on_cpu else "vmap"
  return Layout(seeds, mesh, loop)


def over_seeds(
  layout: Layout, function: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
  """Runs `function(one seed's arguments, shared arguments)` for every seed.

  The result takes arguments with a leading seed axis, and shared ones as they are.
  """

  def on_device(stacked, shared):
    def one(own):
      return function(own, shared)

    if layout.loop == "map":
      return lax.map(one, stacked)
    return jax.vmap(one)(stacked)

  mapped = jax.shard_map(
    on_device,
    mesh=layout.mesh,
    in_specs=(P("seed"), P()),
    out_specs=P("seed"),
    axis_names={"seed"},
    check_vma=False,
  )
  if not layout.spare:
    return mapped

  def filled_up(stacked, shared):
    # The last seed once more for every spare place, which takes no time of others.
    places = np.minimum(np.arange(layout.seeds + layout.spare), layout.seeds - 1)
    found = mapped(jax.tree.map(lambda leaf: leaf[places], stacked), shared)
    return jax.tree.map(lambda leaf: leaf[: layout.seeds], found)

  return filled_up


def splits_batch(layout: Layout) -> bool:
  """Whether several devices share the batch of a seed."""
  return layout.mesh.shape["batch"] > 1


def split_batch(layout: Layout, batch: Batch) -> Batch:
  """Asks the compiler to spread the examples over the mesh's batch axis."""
  if not splits_batch(layout):
    return batch
  return Batch(
    *(
      leaf
      if leaf is None
      else lax.with_sharding_constraint(leaf, P(*(None,) * axis, "batch"))
      for leaf, axis in zip(batch, example_axes(batch), strict=True)
    )
  )


def seed_sharding(layout: Layout) -> NamedSharding:
  """Where arrays with a leading seed axis lie: cut along it, or whole on every device.

  They are whole where some device has a spare place. Programs that return the state
  ask for it: left to the compiler, the same place may come back under another name, and
  what it is given to would be compiled again.
  """
  return NamedSharding(layout.mesh, P() if layout.spare else P("seed"))


def place_seeds(layout: Layout, tree: Any) -> Any:
  """Puts arrays with a leading seed axis where their seeds are trained."""
  return jax.device_put(tree, seed_sharding(layout))


def place_shared(layout: Layout, tree: Any) -> Any:
  """Puts arrays on every device."""
  return jax.device_put(tree, NamedSharding(layout.mesh, P()))
