"""The networks of a run at its two ends, from its folder."""

import dataclasses
import json
import pathlib
import typing
from typing import Any, NamedTuple

from rnn_research.array_types import Params
from rnn_research.config import Config
from rnn_research.errors import WorkdirError
from rnn_research.training.checkpoint import Checkpoints
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.run import Run
from rnn_research.training.start import start
from rnn_research.training.state import make_state


class Ends(NamedTuple):
  """Parameters of every seed, leaves (seeds, ...).

  Attributes:
    initial: as drawn.
    final: of the last checkpoint; of a seed that diverged, those before it did.
    step: of that checkpoint.
  """

  initial: Params
  final: Params
  step: int


def open_run(folder: pathlib.Path) -> Run:
  """The run that a folder holds, built again from its own config.

  Raises:
    WorkdirError: there is none, or it isn't finished.
  """
  file = folder / "config.json"
  try:
    status = json.loads((folder / "status.json").read_text())
    config = read_config(json.loads(file.read_text()))
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise WorkdirError(
      "--run",
      f"{folder} holds no run ({type(error).__name__})",
      "name the folder of a finished run, or train one with --config and --workdir",
    ) from error
  if status["state"] != "finished":
    raise WorkdirError(
      "--run",
      f"the run in {folder} is {status['state']} at step {status['step']}",
      "the command that began it goes on to its end",
    )
  return start(config, str(folder), resume="must")


def read_config(content: dict[str, Any]) -> Config:
  """The config that `config.json` was written from.

  Raises:
    KeyError: a field is missing.
  """
  return _read(Config, content)


def _read(kind: type, content: dict[str, Any]) -> Any:
  values = {}
  for field in dataclasses.fields(kind):
    value = content[field.name]
    if dataclasses.is_dataclass(field.type):
      value = _read(field.type, value)
    elif typing.get_origin(field.type) is tuple:
      value = tuple(value)
    values[field.name] = value
  return kind(**values)


def both_ends(run: Run) -> Ends:
  """Draws the initial parameters again and reads the last checkpoint.

  Raises:
    WorkdirError: there is no checkpoint.
  """
  config = run.config
  example = run.source.shapes(config.train.batch)
  keys = seed_keys(config.seed, config.seeds)
  state = make_state(run.program, keys, make_hyper(config), example)
  if config.train.steps == 0:
    return Ends(state.params, state.params, 0)
  checkpoints = Checkpoints(run.directory.checkpoints)
  try:
    step = checkpoints.latest()
    if step is None:
      raise WorkdirError(
        "--run",
        f"{run.directory.path} has no checkpoint",
        "train it again: the networks themselves are needed",
      )
    final = checkpoints.restore(step, state, None)
  finally:
    checkpoints.close()
  return Ends(state.params, final.params, step)
