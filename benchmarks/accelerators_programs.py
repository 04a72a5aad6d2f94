"""The programs that are compiled for an accelerator, as shapes on its devices."""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.cells import Cell
from rnn_research.config import Config
from rnn_research.errors import ConfigError
from rnn_research.models.build import make_cell, make_initial
from rnn_research.training.advance import compile_advance, intervals_per_dispatch
from rnn_research.training.compilation import largest_stack
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.placement import make_layout, seed_sharding
from rnn_research.training.program import make_program
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.source import Source
from rnn_research.training.state import make_state
from rnn_research.unroll import unroll
from rnn_research.validation import validate

ADJOINTS = ("fused", "autodiff")
PROJECTIONS = ("step", "whole")


class Subject(NamedTuple):
  """A program and what it is called with.

  Attributes:
    name: in the table and in the records.
    function: jitted.
    arguments: shapes with their shardings.
    mesh: sizes of the axes of the devices.
    steps: train steps, or gradients, in one call.
    examples: of a batch, on one device.
  """

  name: str
  function: Callable[..., Any]
  arguments: tuple[Any, ...]
  mesh: dict[str, int]
  steps: int
  examples: int


class Sizes(NamedTuple):
  """Of one recurrent layer."""

  batch: int
  time: int
  features: int
  hidden: int


def train_subject(config: Config, devices: Sequence[jax.Device]) -> Subject:
  """The dispatch of train steps that a run of this config makes again and again.

  Args:
    config: as `experiments.train` takes it; it is checked here.
    devices: those of the accelerator.

  Raises:
    UserError: the config can't be run.
  """
  validate(config)
  source = Source(config)
  try:
    batch = source.shapes(config.train.batch)
    layout = make_layout(
      config.seeds,
      config.train.batch,
      _chosen(config, devices),
      config.train.seed_loop,
    )
    program = make_program(config, source.problem, source.task, layout)
    state = jax.eval_shape(
      lambda: make_state(
        program,
        seed_keys(config.seed, config.seeds),
        make_hyper(config),
        batch,
      )
    )
    stack = largest_stack(state.params, batch.inputs, layout.mesh.shape["batch"])
    program = program._replace(largest_stack=stack)
    intervals = intervals_per_dispatch(config, 0)
    steps = intervals * config.train.log_every
    batches = None
    if source.task is None:
      batches = _with_axes(batch, config.seeds, steps)
  finally:
    source.close()
  arguments = _placed((state, batches), seed_sharding(layout))
  return Subject(
    f"train {config.model.adjoint}",
    compile_advance(program, config.train.log_every, intervals),
    arguments,
    dict(layout.mesh.shape),
    steps,
    config.train.batch // layout.mesh.shape["batch"],
  )


def gradient_subject(
  config: Config,
  sizes: Sizes,
  adjoint: str,
  projection: str,
  devices: Sequence[jax.Device],
) -> Subject:
  """The gradient of an unrolled cell alone: of sum(y^2) / 2, for the parameters.

  The batch is split over the devices, the parameters are on each of them.
  """
  cell = make_cell(config.model)
  layout = make_layout(1, sizes.batch, devices)
  draw = functools.partial(
    cell.init,
    input_size=sizes.features,
    hidden_size=sizes.hidden,
    initial=make_initial(config.model.init),
  )
  params = jax.eval_shape(draw, jax.random.key(0))
  xs = jax.ShapeDtypeStruct((sizes.time, sizes.batch, sizes.features), jnp.float32)
  shared = NamedSharding(layout.mesh, P())
  return Subject(
    f"{adjoint}/{projection}",
    jax.jit(_gradient(cell, adjoint, projection), out_shardings=shared),
    (
      _placed(params, shared),
      _placed(xs, NamedSharding(layout.mesh, P(None, "batch"))),
    ),
    dict(layout.mesh.shape),
    1,
    sizes.batch // layout.mesh.shape["batch"],
  )


def subjects(
  config: Config, sizes: Sizes | None, devices: Sequence[jax.Device]
) -> Iterator[Subject]:
  """The train step with either adjoint, and the gradient with all four choices.

  Args:
    config: of the run.
    sizes: of the bare gradient; None takes those of the config's first layer.
    devices: those of the accelerator.
  """
  for adjoint in ADJOINTS:
    arm = copy.deepcopy(config)
    arm.model.adjoint = adjoint
    yield train_subject(arm, devices)
  sizes = sizes or sizes_of(config)
  for adjoint in ADJOINTS:
    for projection in PROJECTIONS:
      yield gradient_subject(config, sizes, adjoint, projection, devices)


def sizes_of(config: Config) -> Sizes:
  """Of the first layer of a valid config."""
  source = Source(config)
  try:
    time, batch, features = source.shapes(config.train.batch).inputs.shape
  finally:
    source.close()
  return Sizes(batch, time, features, config.model.hidden)


def _chosen(config, devices):
  asked = config.train.devices
  if asked > len(devices):
    raise ConfigError(
      "train.devices",
      f"{asked} are more than the {len(devices)} of the topology",
      "use 0 for all of them, or a larger --topology",
    )
  return devices[: asked or None]


def _gradient(cell: Cell, adjoint: str, projection: str):
  def half_square(params, xs):
    _, ys = unroll(cell, params, xs, adjoint=adjoint, projection=projection)
    return 0.5 * (ys**2).sum()

  return jax.value_and_grad(half_square)


def _with_axes(tree, *sizes):
  """Shapes with these axes in front."""
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*sizes, *x.shape), x.dtype), tree)


def _placed(tree, sharding):
  """Shapes that lie on devices."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree
  )
