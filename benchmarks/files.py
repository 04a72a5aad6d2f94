"""Where a benchmark writes."""

import json
import os
import pathlib
from typing import Any

from rnn_research.errors import UserError


def output_path(name: str) -> pathlib.Path:
  """The JSON file of `--output`; the figure and others stand beside it.

  Raises:
    UserError: it isn't one, or can't be written.
  """
  path = pathlib.Path(name)
  if path.suffix != ".json":
    raise UserError("--output", f"{name!r} is no JSON file", "write FILE.json")
  if not path.parent.is_dir():
    raise UserError("--output", f"no folder {str(path.parent)!r}", "make it first")
  return path


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes or replaces a file in one move."""
  beside = path.with_name(path.name + ".part")
  beside.write_text(json.dumps(content, indent=1) + "\n")
  os.replace(beside, path)


def write_environment(path: pathlib.Path, content: dict[str, Any]) -> None:
  """Writes FILE.environment.json beside FILE.json."""
  write_json(path.with_suffix(".environment.json"), content)
