"""What a run directory holds, as numpy arrays; whatever is there is read."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

SERIES_FILE = "metrics.jsonl"


class Series(NamedTuple):
  """One logged scalar; `null` in the file is NaN here, "-inf" minus infinity.

  Attributes:
    steps: train steps of the rows that have the scalar, ascending.
    values: one column per seed.
  """

  steps: Int[np.ndarray, "steps"]
  values: Float[np.ndarray, "steps seeds"]


class Stack(NamedTuple):
  """Every array file of one kind, joined along a new first axis.

  Attributes:
    steps: the train step in the name of each file, ascending.
    values: name of the array -> (files, ...); NaN where a file lacks it.
  """

  steps: Int[np.ndarray, "steps"]
  values: dict[str, Float[np.ndarray, "steps ..."]]


class Run(NamedTuple):
  """One run directory: S seeds of one model.

  Attributes:
    path: the directory.
    config: `config.json`, {} if unreadable; likewise `environment`, `status`.
    environment: versions, command and platform.
    status: state, devices, seconds, seeds and the last held-out scores.
    series: key of `metrics.jsonl` -> its series.
    ledger: name -> (steps, seeds), one row per train step; `steps` likewise.
    adjoint: `arrays/adjoint`, values (files, seeds, time).
    lag: `arrays/lag`, values (files, seeds, lag).
    exponents: `arrays/exponents`, values (files, seeds, ...).
    faults: what could not be read, one line each.
  """

  path: Path
  config: dict[str, Any]
  environment: dict[str, Any]
  status: dict[str, Any]
  series: dict[str, Series]
  ledger: Stack
  adjoint: Stack
  lag: Stack
  exponents: Stack
  faults: tuple[str, ...]

  @property
  def state(self) -> str:
    """`finished`, `running`, `interrupted`, or `unknown` without a status."""
    return self.status.get("state", "unknown")

  @property
  def seeds(self) -> int:
    """How many trainings the run holds."""
    listed = self.status.get("seeds")
    if listed:
      return len(listed)
    if "seeds" in self.config:
      return int(self.config["seeds"])
    return max((s.values.shape[1] for s in self.series.values()), default=0)

  @property
  def chance_loss(self) -> float | None:
    """Loss of the best guess that remembers nothing; None if it isn't on record."""
    return (self.status.get("problem") or {}).get("chance_loss")

  @property
  def steps(self) -> int:
    """The last train step on record."""
    logged = max((s.steps[-1] for s in self.series.values()), default=0)
    return max(int(self.status.get("step") or 0), int(logged))

  @property
  def layer(self) -> str:
    """The layer that the report shows: the first one, forward, encoder."""
    suffixes = ("/loss/log10", "/loss_median", "/log10_median")
    names = [*self.series, *self.lag.values, *self.adjoint.values]
    layers = {
      name.removeprefix("lag/").removesuffix(suffix)
      for name in names
      for suffix in suffixes
      if name.endswith(suffix) and not name.endswith("relative_log10_median")
    }
    order = sorted(layers, key=lambda x: ("backward" in x, "decoder" in x, x))
    return order[0] if order else "layer_0"

  @property
  def final(self) -> dict[str, Float[np.ndarray, "seeds"]]:
    """Held-out scores at the last step; {} before the end."""
    scores = self.status.get("final") or {}
    return {
      name: np.array([_number(x) for x in values])
      for name, values in scores.items()
      if isinstance(values, list)
    }

  @property
  def diverged(self) -> dict[int, int]:
    """Seed -> step at which it became non-finite."""
    return {
      int(seed["seed"]): int(seed["diverged_at"])
      for seed in self.status.get("seeds", [])
      if seed.get("diverged_at") is not None
    }

  def get(self, key: str) -> Series:
    """The series of a key; an empty one if it was never logged."""
    empty = Series(np.zeros(0, int), np.zeros((0, max(self.seeds, 1))))
    return self.series.get(key, empty)


def read_run(path: Path) -> Run:
  """Read a run directory, finished or not; faults are collected, not raised."""
  faults: list[str] = []
  documents = {
    name: _read_json(path / f"{name}.json", faults)
    for name in ("config", "environment", "status")
  }
  ledger = _read_arrays(path / "arrays" / "ledger", faults)
  return Run(
    path=path,
    **documents,
    series=_read_series(path / SERIES_FILE, faults),
    ledger=_join(ledger),
    adjoint=_stack(_read_arrays(path / "arrays" / "adjoint", faults)),
    lag=_stack(_read_arrays(path / "arrays" / "lag", faults)),
    exponents=_stack(_read_arrays(path / "arrays" / "exponents", faults)),
    faults=tuple(faults),
  )


def _number(value: Any) -> float:
  return math.nan if value is None else float(value)


def _read_json(path: Path, faults: list[str]) -> dict[str, Any]:
  try:
    document = json.loads(path.read_text())
  except FileNotFoundError:
    faults.append(f"{path.name} is missing")
    return {}
  except (OSError, ValueError):
    faults.append(f"{path.name} is not readable JSON")
    return {}
  if not isinstance(document, dict):
    faults.append(f"{path.name} is not a JSON object")
    return {}
  return document


def _read_series(path: Path, faults: list[str]) -> dict[str, Series]:
  try:
    lines = path.read_text().splitlines()
  except OSError:
    faults.append(f"{path.name} is missing")
    return {}
  rows: dict[int, dict[str, Any]] = {}
  for number, line in enumerate(lines, 1):
    try:
      row = json.loads(line)
      rows[int(row["step"])] = row
    except (ValueError, TypeError, KeyError):
      faults.append(f"{path.name} line {number} is not a row")
  columns: dict[str, list[tuple[int, list[float]]]] = {}
  for step, row in sorted(rows.items()):
    for key, value in row.items():
      if key != "step":
        entries = value if isinstance(value, list) else [value]
        numbers = [_number(entry) for entry in entries]
        columns.setdefault(key, []).append((step, numbers))
  series = {}
  for key, column in columns.items():
    width = max(len(numbers) for _, numbers in column)
    full = [(s, v + [math.nan] * (width - len(v))) for s, v in column]
    steps = np.array([step for step, _ in full])
    series[key] = Series(steps, np.array([values for _, values in full]))
  return series


def _read_arrays(folder: Path, faults: list[str]) -> list[tuple[int, dict]]:
  found = []
  for path in sorted(folder.glob("*.npz")):
    try:
      with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name].astype(float) for name in file.files}
      found.append((int(path.stem), arrays))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
      faults.append(f"{folder.name}/{path.name} is not a readable array file")
  return found


def _stack(files: list[tuple[int, dict]]) -> Stack:
  """Stack files whose last axis may differ (a bucket of another length)."""
  steps = np.array([step for step, _ in files], int)
  values = {}
  for name in {name: None for _, arrays in files for name in arrays}:
    present = [(i, a[name]) for i, (_, a) in enumerate(files) if name in a]
    ranks = {array.ndim for _, array in present}
    if len(ranks) != 1:
      continue
    shape = np.max([array.shape for _, array in present], axis=0).tolist()
    full = np.full([len(files), *shape], np.nan)
    for i, array in present:
      full[(i, *map(slice, array.shape))] = array
    values[name] = full
  return Stack(steps, values)


def _join(files: list[tuple[int, dict]]) -> Stack:
  """Join ledger files, which hold one row per train step, end to end."""
  files = [(step, arrays) for step, arrays in files if "step" in arrays]
  if not files:
    return Stack(np.zeros(0, int), {})
  names = set.intersection(*(set(arrays) for _, arrays in files)) - {"step"}
  steps = np.concatenate([arrays["step"] for _, arrays in files]).astype(int)
  values = {n: np.concatenate([a[n] for _, a in files]) for n in sorted(names)}
  return Stack(steps, values)
