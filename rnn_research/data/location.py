"""Where prepared data sets are kept."""

import os
import pathlib


def data_folder(source: str = "") -> pathlib.Path:
  """The folder of prepared data sets.

  Args:
    source: the folder asked for; "" means the environment variable
      `RNN_RESEARCH_DATA`, and where that is unset `~/.cache/rnn_research`.
  """
  chosen = source or os.environ.get("RNN_RESEARCH_DATA")
  default = pathlib.Path.home() / ".cache" / "rnn_research"
  return pathlib.Path(chosen).expanduser() if chosen else default
