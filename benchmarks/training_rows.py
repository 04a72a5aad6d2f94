"""Times of chunks to rows of steps per second, and the rows as markdown."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.loops.entries import Entry, config_of
from benchmarks.ratios import ratio_of
from benchmarks.tables import TITLES, line_of, ratio_cell
from benchmarks.team import OURS, Member

PEERS = ("flax", "torch")
NAMES = {OURS: "ours", "flax": "Flax", "torch": "PyTorch"}
ON_ONE_DEVICE = ("flax",)  # in any setting: its loop has one

Row = dict[str, Any]


def devices_of(library: str, setting: str, cores: int) -> int:
  """CPU devices of a library in a setting; threads of PyTorch."""
  return 1 if setting == "same_devices" or library in ON_ONE_DEVICE else cores


def rows_of(
  entry: Entry,
  setting: str,
  cores: int,
  chunk: int,
  times: Mapping[Member, Sequence[float]],
  waited: Mapping[Member, float],
) -> list[Row]:
  """Rows of one entry in one setting, a library each.

  Args:
    entry: what was trained; ours trains all its seeds at once, a peer one.
    setting: decides which members count.
    cores: of the machine.
    chunk: train steps of every seed in one call.
    times: seconds of one call in each round.
    waited: share of its time that a member waited for batches.
  """
  config = config_of(entry)
  here = {}
  for (library, devices), taken in times.items():
    if devices == devices_of(library, setting, cores):
      seeds = entry.seeds if library == OURS else 1
      here[library] = [seconds / (chunk * seeds) for seconds in taken]
  rows = []
  for library, taken in here.items():
    devices = devices_of(library, setting, cores)
    ratio = ratio_of(here[OURS], taken)
    is_read = library == OURS and bool(config.data.name)
    rows.append(
      {
        "setting": setting,
        **entry._asdict(),
        "batch": config.train.batch,
        "hidden": config.model.hidden,
        "library": library,
        "steps_per_second": 1 / statistics.median(taken),
        **ratio.columns(),
        "waiting_share": waited[library, devices] if is_read else None,
        "rounds": len(taken),
        "devices": devices,
      }
    )
  return rows


def groups(rows: Sequence[Row]) -> dict[tuple, dict[str, Row]]:
  """Rows of one setting and entry together, by library."""
  found: dict[tuple, dict[str, Row]] = {}
  for row in rows:
    key = (row["setting"], row["task"], row["cell"], row["seeds"])
    found.setdefault(key, {})[row["library"]] = row
  return found


def table(rows: Sequence[Row]) -> str:
  """One table a setting."""
  parts = []
  for setting in dict.fromkeys(row["setting"] for row in rows):
    here = [row for row in rows if row["setting"] == setting]
    peers = [p for p in PEERS if any(row["library"] == p for row in here)]
    titles = ["task", "cell", "seeds", "ours, steps/s"]
    titles += [f"{NAMES[peer]}, steps/s" for peer in peers]
    titles += [f"time of ours / {NAMES[peer]}" for peer in peers]
    titles.append("ours waits for data")
    lines = [
      f"### {TITLES[setting]}",
      "",
      line_of(titles),
      line_of(["---"] * len(titles)),
    ]
    for (_, task, cell, seeds), libraries in groups(here).items():
      ours = libraries[OURS]
      cells = [task, cell, str(seeds), f"{ours['steps_per_second']:.0f}"]
      cells += [_speed(libraries.get(peer)) for peer in peers]
      cells += [ratio_cell(libraries.get(peer)) for peer in peers]
      share = ours["waiting_share"]
      cells.append("-" if share is None else f"{share:.1%}")
      lines.append(line_of(cells))
    parts.append("\n".join(lines))
  note = (
    "Steps of one seed per second; ours trains all seeds at once, a peer one after "
    "another. Ratios: median over rounds (95% bootstrap interval) of the time of one "
    "step; below 1 ours is faster, bold where the whole interval says it is slower."
  )
  return "\n\n".join([*parts, note]) + "\n"


def _speed(row: Row | None) -> str:
  return "-" if row is None else f"{row['steps_per_second']:.0f}"
