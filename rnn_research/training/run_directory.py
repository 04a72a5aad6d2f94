"""The folder of one run: what was asked for, where it ran, and every number it made.

config.json         the config, as run
environment.json    versions, git commit, command line, devices
status.json         running, interrupted or finished; each seed's fate
metrics.jsonl       a row a logged step: flat slash names, one value a seed
arrays/NAME/STEP.npz   figures with a time or lag axis
tensorboard/        the scalars once more, for its viewer
checkpoints/        what `--resume` goes on from
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_research.config import Config
from rnn_research.errors import CheckpointMismatch, WorkdirError
from rnn_research.lock import alone

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grain")
RESUME = ("auto", "never", "must")


def jsonable(value: Any) -> Any:
  """Plain JSON of nested containers and arrays; what isn't finite becomes null.

  Only minus infinity, the logarithm of a true zero, is a finding: the string "-inf".
  """
  if isinstance(value, Mapping):
    return {str(k): jsonable(v) for k, v in value.items()}
  if isinstance(value, np.ndarray | np.generic):
    return jsonable(value.tolist())
  if isinstance(value, list | tuple):
    return [jsonable(v) for v in value]
  if isinstance(value, float) and not math.isfinite(value):
    return "-inf" if value == -math.inf else None
  return value


def _replace(path: pathlib.Path, text: str) -> None:
  """Replaces a file in one move, so that no reader sees half of it."""
  partial = path.with_suffix(".partial")
  partial.write_text(text)
  os.replace(partial, path)


def write_json(path: pathlib.Path, content: Any) -> None:
  """Replaces a JSON file in one move."""
  _replace(path, json.dumps(jsonable(content), indent=1) + "\n")


def _program() -> list[str]:
  """How this process was started, without where the machine keeps its files."""
  spec = sys.modules["__main__"].__spec__
  if spec is None:
    return ["python", pathlib.Path(sys.argv[0]).name]
  return ["python", "-m", spec.name.removesuffix(".__main__")]


def describe_environment(devices: int, platform: str) -> dict[str, Any]:
  """Versions, commit and command line of this process."""
  here = pathlib.Path(__file__).parent
  try:
    commit = subprocess.run(
      ["git", "-C", str(here), "rev-parse", "HEAD"],
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    commit = None  # an installed package has no history
  return {
    "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    "python": sys.version.split()[0],
    "git_commit": commit,
    "command": [*_program(), *sys.argv[1:]],
    "devices": devices,
    "platform": platform,
    "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }


class RunDirectory:
  """Writes and, after an interruption, cuts back the records of a run."""

  def __init__(self, path: str | os.PathLike[str], config: Config, resume: str):
    """Claims a folder for a config.

    Args:
      path: the folder; made if it isn't there.
      config: what will be run.
      resume: "auto" goes on with a run of the same config, "never" wants an empty
        folder, "must" wants a run to go on with.

    Raises:
      WorkdirError: it can't be written, or holds what it shouldn't.
      CheckpointMismatch: `must`, and there is nothing to go on with.
    """
    self.path = pathlib.Path(path).absolute()
    self.checkpoints = self.path / "checkpoints"
    self.config = asked = jsonable(dataclasses.asdict(config))
    file = self.path / "config.json"
    try:
      self.path.mkdir(parents=True, exist_ok=True)
      holds = _object(file, _read(file)) if file.exists() else None
    except OSError as error:
      raise WorkdirError(
        "--workdir", f"{path} can't be used ({error})", "choose another folder"
      ) from error
    if self.checkpoints.exists() and not self.checkpoints.is_dir():
      raise WorkdirError(
        "--workdir", f"{self.checkpoints} is no folder", "choose another folder"
      )
    if holds is not None and holds != asked:
      raise WorkdirError(
        "--workdir",
        f"{path} holds a run of another config ({_difference(holds, asked)})",
        "choose another folder, or remove this one",
      )
    if holds is not None and resume == "never":
      raise WorkdirError(
        "--workdir",
        f"{path} holds a run already",
        "choose another folder, or set --resume=auto to go on with it",
      )
    if holds is None and resume == "must":
      raise CheckpointMismatch(
        "--resume", f"{path} holds no run to go on with", "set --resume=auto"
      )
    try:
      write_json(file, asked)
    except OSError as error:
      raise WorkdirError(
        "--workdir", f"{path} can't be written ({error})", "choose another folder"
      ) from error

  def alone(self) -> contextlib.AbstractContextManager[None]:
    """Held by the process that trains here.

    Raises:
      WorkdirError: another one holds it.
    """

    def taken():
      raise WorkdirError(
        "--workdir",
        f"another process is training in {self.path}",
        "wait for its end, or choose another folder",
      )

    return alone(self.path / ".lock", taken)

  def status(self) -> dict[str, Any] | None:
    """What the run last said of itself."""
    file = self.path / "status.json"
    return _object(file, _read(file)) if file.exists() else None

  def write_status(self, status: dict[str, Any]) -> None:
    """Says how far the run is."""
    write_json(self.path / "status.json", status)

  def write_environment(self, environment: dict[str, Any]) -> None:
    """Says where the run began; a resumed run keeps the first and adds itself."""
    file = self.path / "environment.json"
    if file.exists():
      first = _object(file, _read(file))
      first.setdefault("resumed", []).append(environment)
      environment = first
    write_json(file, environment)

  def append(self, row: Mapping[str, Any]) -> None:
    """Adds one row to `metrics.jsonl`."""
    with (self.path / "metrics.jsonl").open("a") as file:
      file.write(json.dumps(jsonable(row)) + "\n")

  def rows(self) -> list[dict[str, Any]]:
    """All rows so far."""
    file = self.path / "metrics.jsonl"
    if not file.exists():
      return []
    # A process killed while it wrote leaves a piece of a line.
    whole, _, _ = _read(file).rpartition("\n")
    return [_object(file, line) for line in whole.splitlines()]

  def write_arrays(self, name: str, step: int, arrays: Mapping[str, Any]) -> None:
    """Writes `arrays/NAME/STEP.npz`."""
    folder = self.path / "arrays" / name
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{step:08d}.npz", **arrays)

  def cut_back(self, step: int) -> None:
    """Forgets everything recorded after a step, before going on from it."""
    kept = [row for row in self.rows() if row["step"] <= step]
    lines = "".join(json.dumps(row) + "\n" for row in kept)
    _replace(self.path / "metrics.jsonl", lines)
    for file in self.path.glob("arrays/*/*.npz"):
      if file.stem.isdecimal() and int(file.stem) > step:
        file.unlink()


def _read(file: pathlib.Path) -> str:
  try:
    return file.read_text()
  except (OSError, ValueError) as error:
    raise _unreadable(file, error) from error


def _object(file: pathlib.Path, text: str) -> dict[str, Any]:
  """The JSON object that a file, or a line of one, holds."""
  try:
    content = json.loads(text)
  except ValueError as error:
    raise _unreadable(file, error) from error
  if not isinstance(content, dict):
    raise _unreadable(file, "it is no JSON object")
  return content


def _unreadable(file: pathlib.Path, why: Any) -> WorkdirError:
  return WorkdirError(
    "--workdir", f"{file} can't be read ({why})", "choose another folder"
  )


def _difference(a: Mapping[str, Any], b: Mapping[str, Any], path: str = "") -> str:
  """The first field in which two configs differ, with both values."""
  for name in {**a, **b}:
    x, y = a.get(name), b.get(name)
    if x == y:
      continue
    if isinstance(x, Mapping) and isinstance(y, Mapping):
      return _difference(x, y, f"{path}{name}.")
    return f"{path}{name} is {x!r} there and {y!r} here"
  return "no field differs"
