"""A study as it stands on disk: its protocol, its arms and what is missing."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from rnn_research.errors import WorkdirError
from rnn_research.report.records import SERIES_FILE, Run, read_run

THRESHOLDS = {
  "solved_error": 0.01,
  "episode_factor": 10.0,
  "episode_window": 200.0,
  "episode_merge": 20.0,
  "episode_recovery": 50.0,
  "episode_floor": 0.1,  # of the chance loss
  "gain_decades": 3.0,
}


class Arm(NamedTuple):
  """One run of a study and its place in the comparison.

  Attributes:
    name: the name of its run directory.
    label: what the page calls it.
    group: `synthetic`, `digits`, `fault` (a planted one), or `initialisation`
      (measured before training and not trained).
    problem: name of the task or data set.
    length: T, as the problem counts it; None if it has none.
    cell: `rnn`, `gru`, `lstm` or another cell.
    knob: the setting that is turned in the arm's family, None if none is.
    value: the knob's value.
    run: its records; None if there is no run directory.
  """

  name: str
  label: str
  group: str
  problem: str
  length: int | None
  cell: str
  knob: str | None
  value: float | None
  run: Run | None


class Study(NamedTuple):
  """Everything the report is written from.

  Attributes:
    path: the study, or the one run directory.
    protocol: `protocol.json`; {} for a single run.
    arms: in the protocol's order.
    baseline: `baseline.json`, {} if absent.
    thresholds: the protocol's, with defaults for the ones it leaves out.
    faults: missing, unfinished and unreadable parts, one line each.
  """

  path: Path
  protocol: dict[str, Any]
  arms: tuple[Arm, ...]
  baseline: dict[str, Any]
  thresholds: dict[str, float]
  faults: tuple[str, ...]

  def find(self, name: str) -> Arm | None:
    """The arm of a name, or None."""
    return next((arm for arm in self.arms if arm.name == name), None)

  @property
  def sound(self) -> bool | None:
    """Does the protocol still have the hash it was frozen with?

    The hash is SHA-256 of the protocol without `sha256`, as JSON with sorted
    keys and no spaces. None if there is none.
    """
    if "sha256" not in self.protocol:
      return None
    return protocol_hash(self.protocol) == self.protocol["sha256"]


def protocol_hash(protocol: dict[str, Any]) -> str:
  """SHA-256 of a protocol's canonical JSON, its own `sha256` left out."""
  body = {key: value for key, value in protocol.items() if key != "sha256"}
  canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
  return hashlib.sha256(canonical.encode()).hexdigest()


def read_study(path: Path | str) -> Study:
  """Read a study, or a single run directory as a study of one arm.

  Raises:
    WorkdirError: `path` holds neither, or its protocol can't be read.
  """
  path = Path(path)
  if (path / "protocol.json").is_file():
    return _read_protocol(path)
  if (path / SERIES_FILE).is_file():
    return _read_single(path)
  raise WorkdirError(
    "study",
    f"{path} holds neither protocol.json nor {SERIES_FILE}",
    "name the directory of a study or of a run",
  )


def _read_protocol(path: Path) -> Study:
  try:
    protocol = json.loads((path / "protocol.json").read_text())
    arms = tuple(
      _arm(entry, path / "runs" / entry["name"]) for entry in protocol["arms"]
    )
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise WorkdirError(
      "study",
      f"{path / 'protocol.json'} can't be read ({error!r})",
      "restore the file that was written before the first run",
    ) from error
  faults = [fault for arm in arms for fault in _faults(arm)]
  baseline = {}
  if (path / "baseline.json").is_file():
    try:
      baseline = json.loads((path / "baseline.json").read_text())
    except ValueError:
      faults.append("baseline.json is not readable JSON")
  thresholds = THRESHOLDS | {
    name: float(x) for name, x in protocol.get("thresholds", {}).items()
  }
  return Study(path, protocol, arms, baseline, thresholds, tuple(faults))


def _arm(entry: dict[str, Any], folder: Path) -> Arm:
  return Arm(
    name=entry["name"],
    label=entry.get("label", entry["name"]),
    group=entry.get("group", "synthetic"),
    problem=entry.get("problem", ""),
    length=entry.get("length"),
    cell=entry.get("cell", ""),
    knob=entry.get("knob"),
    value=None if entry.get("value") is None else float(entry["value"]),
    run=read_run(folder) if folder.is_dir() else None,
  )


def _read_single(path: Path) -> Study:
  run = read_run(path)
  task = run.config.get("task", {})
  data = run.config.get("data", {})
  cell = run.config.get("model", {}).get("cell", "")
  problem = run.status.get("problem") or {}
  arm = Arm(
    name=path.resolve().name,
    label=cell.upper() or path.resolve().name,
    group="digits" if data.get("name") else "synthetic",
    problem=problem.get("name") or task.get("name") or data.get("name") or "",
    length=problem.get("length"),
    cell=cell,
    knob=None,
    value=None,
    run=run,
  )
  return Study(path, {}, (arm,), {}, dict(THRESHOLDS), tuple(_faults(arm)))


def _faults(arm: Arm) -> list[str]:
  if arm.run is None:
    return [f"{arm.name}: no run directory"]
  lines = [f"{arm.name}: {fault}" for fault in arm.run.faults]
  if arm.run.state != "finished":
    lines.append(f"{arm.name}: {arm.run.state} at step {arm.run.steps:,}")
  return lines
