"""What was measured, as rows on disk."""

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.entries import Entry
from benchmarks.files import write_environment, write_json
from benchmarks.ratios import ratio_of
from benchmarks.team import JAX_PEERS, LIMIT, OURS, Member

SETTINGS = ("same_devices", "as_shipped")


def devices_of(library: str, setting: str, cores: int) -> int:
  """CPU devices of a library in a setting; threads of PyTorch."""
  return 1 if setting == "same_devices" or library in JAX_PEERS else cores


class Record:
  """Rows of all entries, and what they were measured with.

  Args:
    output: the JSON file; the environment stands beside it.
    settings: those measured.
    cores: of the machine.
    environment: of the run.
  """

  def __init__(
    self,
    output: pathlib.Path,
    settings: Sequence[str],
    cores: int,
    environment: dict[str, Any],
  ):
    self.rows: list[dict[str, Any]] = []
    self.environment = environment
    self.versions: dict[str, dict[str, str]] = {}
    self.missing: dict[str, str] = {}
    self.failures: list[tuple[str, str, str]] = []
    self._output, self._settings, self._cores = output, settings, cores

  def add(self, entry: Entry, times: Mapping[Member, Sequence[float]]) -> None:
    """Rows of one entry, for each setting.

    Args:
      entry: what was measured.
      times: seconds of one call in each round.
    """
    for setting in self._settings:
      here = {
        library: taken
        for (library, devices), taken in times.items()
        if devices == devices_of(library, setting, self._cores)
      }
      limit = statistics.median(here.pop(LIMIT)) * 1e3
      for library, taken in here.items():
        ratio = ratio_of(here[OURS], taken)
        self.rows.append(
          {
            "setting": setting,
            "cell": entry.cell,
            **entry.shape._asdict(),
            "direction": entry.direction,
            "library": library,
            "milliseconds": statistics.median(taken) * 1e3,
            "limit_milliseconds": limit,
            **ratio.columns(),
            "rounds": len(taken),
            "devices": devices_of(library, setting, self._cores),
            "versions": self.versions[library],
          }
        )

  def told(self, entry: Entry) -> str:
    """The times of an entry in short, in the last setting."""
    rows = [
      row
      for row in self.rows
      if row["setting"] == self._settings[-1]
      and (row["cell"], row["direction"]) == (entry.cell, entry.direction)
      and all(row[name] == size for name, size in entry.shape._asdict().items())
    ]
    return ", ".join(f"{row['library']} {row['milliseconds']:.3g}" for row in rows)

  def write(self) -> None:
    """Both files, each replaced in one move."""
    write_json(self._output, self.rows)
    environment = self.environment | {
      "versions": self.versions,
      "missing": self.missing,
      "failures": self.failures,
    }
    write_environment(self._output, environment)
