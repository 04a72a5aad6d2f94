"""The rows once more, as TensorBoard event files."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from tensorboardX import SummaryWriter
from tensorboardX.proto.summary_pb2 import Summary


class EventFiles:
  """Scalars for the viewer: the median over seeds of every entry of a row."""

  def __init__(self, folder: pathlib.Path, step: int):
    """Opens the folder; what was written after `step` is not shown any more."""
    self._writer = SummaryWriter(str(folder), purge_step=step or None)

  def write(self, row: Mapping[str, Any]) -> None:
    """Adds one row, as one event: one a name takes longer than a small train step."""
    names = [name for name in row if name != "step"]
    values = np.broadcast_arrays(*(np.asarray(row[name], float) for name in names))
    medians = _medians(np.stack(values).reshape(len(names), -1))
    entries = [
      Summary.Value(tag=name, simple_value=median)
      for name, median in zip(names, medians, strict=True)
      if not np.isnan(median)
    ]
    self._writer.file_writer.add_summary(Summary(value=entries), row["step"])

  def close(self) -> None:
    """Writes what is buffered."""
    self._writer.close()


def _medians(values: Float[np.ndarray, "rows seeds"]) -> Float[np.ndarray, "rows"]:
  """Of what is finite in each row; NaN where nothing is."""
  finite = np.isfinite(values)
  ordered = np.sort(np.where(finite, values, np.inf), axis=1)
  number = finite.sum(1)
  middle = np.stack([np.maximum(number - 1, 0) // 2, number // 2], axis=1)
  middle = np.minimum(middle, values.shape[1] - 1)
  medians = np.take_along_axis(ordered, middle, axis=1).mean(1)
  return np.where(number > 0, medians, np.nan)
