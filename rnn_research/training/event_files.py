"""The rows once more, as TensorBoard event files."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter


class EventFiles:
  """Scalars for the viewer: the median over seeds of every entry of a row."""

  def __init__(self, folder: pathlib.Path, step: int):
    """Opens the folder; what was written after `step` is not shown any more."""
    self._writer = SummaryWriter(str(folder), purge_step=step or None)

  def write(self, row: Mapping[str, Any]) -> None:
    """Adds one row."""
    for name, value in row.items():
      values = np.atleast_1d(np.asarray(value, float))
      finite = values[np.isfinite(values)]
      if name != "step" and finite.size:
        self._writer.add_scalar(name, float(np.median(finite)), row["step"])

  def close(self) -> None:
    """Writes what is buffered."""
    self._writer.close()
