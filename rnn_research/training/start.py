"""The edge of a run: everything that can be wrong with it is said here."""

import functools

import jax

from rnn_research.config import Config
from rnn_research.errors import ConfigError
from rnn_research.models import build
from rnn_research.training.compilation import largest_stack
from rnn_research.training.placement import WORTH_SHARING, make_layout
from rnn_research.training.program import make_program
from rnn_research.training.run import Run
from rnn_research.training.run_directory import RESUME, RunDirectory
from rnn_research.training.source import Source
from rnn_research.validation import validate

__all__ = ["RESUME", "start"]


def start(
  config: Config, workdir: str, resume: str = "auto", name: str = "train"
) -> Run:
  """Checks a config, builds what it names and claims its folder, in this order.

  Args:
    config: from a file and flags.
    workdir: the folder of the run.
    resume: one of `RESUME`.
    name: shown beside the progress.

  Raises:
    UserError: in one line, with the field and the remedy; nothing was written.
  """
  validate(config)
  source = Source(config)
  devices = jax.devices()
  if config.train.devices > len(devices):
    raise ConfigError(
      "train.devices",
      f"{config.train.devices} are more than the {len(devices)} there are",
      "use 0 for all of them",
    )
  # Sizes that don't fit together are found by building the parameters' shapes.
  init = functools.partial(build(config.model, source.problem).init, train=False)
  shapes = jax.eval_shape(init, jax.random.key(0), source.shapes(1))["params"]
  layout = _layout(config, devices, sum(leaf.size for leaf in jax.tree.leaves(shapes)))
  inputs = source.shapes(config.train.batch).inputs
  stack = largest_stack(shapes, inputs, layout.mesh.shape["batch"])
  program = make_program(config, source.problem, source.task, layout, stack)
  directory = RunDirectory(workdir, config, resume)
  return Run(config, source, program, directory, name)


def _layout(config, devices, parameters):
  """On the devices that are asked for; if none are, on those that it pays to use."""
  batch, asked = config.train.batch, config.train.devices
  work = WORTH_SHARING if asked else batch * parameters
  used = devices[: asked or None]
  return make_layout(config.seeds, batch, used, config.train.seed_loop, work)
