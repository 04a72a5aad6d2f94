"""What is trained: a config of this project with the cell and seeds of an entry."""

from typing import NamedTuple

from configs import digits, temporal_order
from rnn_research.config import Config

CONFIGS = {
  "temporal_order": temporal_order.get_config,
  "digits": digits.get_config,
}
TASKS = tuple(CONFIGS)
CHUNK = 100  # train steps of one call


class Entry(NamedTuple):
  """One line of the table.

  Attributes:
    task: a name in `CONFIGS`.
    cell: rnn, gru or lstm.
    seeds: independent trainings.
  """

  task: str
  cell: str
  seeds: int

  def __str__(self):
    """As it stands in the log."""
    return f"{self.task} {self.cell}, {self.seeds} seed{'s' * (self.seeds > 1)}"


def config_of(entry: Entry) -> Config:
  """The shipped config of a task; another cell, other seeds."""
  config = CONFIGS[entry.task]()
  config.model.cell = entry.cell
  config.seeds = entry.seeds
  return config
