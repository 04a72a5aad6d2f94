"""Writes a data set to disk, once, whoever asks first."""

import contextlib
import io
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

from rnn_research.data.catalogue import find, is_prepared
from rnn_research.errors import ConfigError
from rnn_research.lock import alone


def prepare(
  name: str, folder: pathlib.Path, say: Callable[[str], None] = print
) -> None:
  """Prepares a data set in a folder; does nothing if that was done before.

  Several processes may prepare the same data set at once: one writes, the
  others wait and find it written.

  Args:
    name: a key of `DATASETS`.
    folder: where to; made if it isn't there.
    say: takes one line per step.

  Raises:
    DataNotPrepared: the name is unknown.
    ConfigError: the folder can't be written.
  """
  entry = find(name, "dataset")
  try:
    folder.mkdir(parents=True, exist_ok=True)
    waiting = "waiting for another process that prepares the same data set"
    with alone(folder / f".{name}.lock", taken=lambda: say(waiting)):
      builder = entry.builder(str(folder))
      if is_prepared(builder):
        say(f"{name}: already prepared in {builder.data_dir}")
        return
      say(f"{name}: preparing in {builder.data_dir}")
      _write(builder)
      sizes = (f"{s.num_examples} {n}" for n, s in builder.info.splits.items())
      say(f"{name}: prepared {' and '.join(sizes)} examples")
  except OSError as error:
    raise ConfigError(
      "data_dir",
      f"{folder} can't be written ({error.strerror})",
      "choose another with --data_dir or RNN_RESEARCH_DATA",
    ) from error


def _write(builder: Any) -> None:
  """Runs a builder without its progress bars and its folder for downloads."""
  with (
    tempfile.TemporaryDirectory() as downloads,
    contextlib.redirect_stdout(io.StringIO()),
    contextlib.redirect_stderr(io.StringIO()),
  ):
    builder.download_and_prepare(download_dir=downloads)
