"""What was measured of memory: rows, a table, and whether the claim holds."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.entries import Shape
from benchmarks.memory_programs import ARRANGEMENTS, PLAIN, segments_of
from benchmarks.ratios import ratio_of

MIB = 2**20
# What is claimed of segments, against the plain scan.
CLAIMED_AT = {"batch": 16, "time": 10000, "hidden": 128}
CLAIMED_MEMORY = 1 / 30
CLAIMED_TIME = 1.0


def make_rows(
  cell: str,
  shape: Shape,
  memory: Mapping[str, Mapping[str, int]],
  times: Mapping[str, Sequence[float]],
  skipped: Mapping[str, str],
) -> list[dict[str, Any]]:
  """A row an arrangement.

  Args:
    cell: its name.
    shape: of the layer.
    memory: `temporary` and `growth` in bytes, by arrangement; no growth if it wasn't
      run.
    times: seconds of one call in each round, of those that were run.
    skipped: why the others weren't.
  """
  rows = []
  for name in memory:
    growth, taken = memory[name].get("growth"), times.get(name)
    share, ratio = None, (None, None, None)
    if PLAIN in times and taken is not None:
      share = growth / memory[PLAIN]["growth"]
      ratio = ratio_of(taken, times[PLAIN])
    rows.append(
      {
        "cell": cell,
        **shape._asdict(),
        "arrangement": name,
        "segments": segments_of(name, shape.time),
        "temporary_bytes": memory[name]["temporary"],
        "temporary_share": memory[name]["temporary"] / memory[PLAIN]["temporary"],
        "peak_bytes": growth,
        "peak_share": share,
        "milliseconds": None if taken is None else statistics.median(taken) * 1e3,
        "ratio": ratio[0],
        "ratio_low": ratio[1],
        "ratio_high": ratio[2],
        "rounds": 0 if taken is None else len(taken),
        "skipped": skipped.get(name),
      }
    )
  return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
  """A line a row, as markdown."""
  lines = [
    "| cell | time steps | arrangement | segments | compiler's plan, MiB "
    "| measured peak, MiB | of the plain scan's | ms | of the plain scan's [95%] |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    parts = [
      row["cell"],
      f"{row['time']:,}",
      row["arrangement"],
      " x ".join(map(str, row["segments"])) or "-",
      _mebibytes(row["temporary_bytes"]),
    ]
    if row["skipped"]:
      parts += ["not run", "-", "-", "-"]
    else:
      parts += [_mebibytes(row["peak_bytes"]), share(row["peak_share"])]
      parts += [f"{row['milliseconds']:.3g}", _ratio(row)]
    lines.append(f"| {' | '.join(parts)} |")
  return "\n".join(lines)


def claims(rows: Sequence[dict[str, Any]]) -> list[str]:
  """Whether what is claimed holds, a line a cell and arrangement; none elsewhere."""
  told = []
  for row in rows:
    at_claim = all(row[name] == size for name, size in CLAIMED_AT.items())
    if not at_claim or row["peak_share"] is None or row["arrangement"] == PLAIN:
      continue
    if ARRANGEMENTS[row["arrangement"]].levels:
      claim = f"at most 1/{1 / CLAIMED_MEMORY:.0f} of its memory and {CLAIMED_TIME:g}x"
      holds = row["peak_share"] <= CLAIMED_MEMORY and row["ratio"] <= CLAIMED_TIME
    else:
      claim, holds = "no more memory", row["peak_share"] <= 1
    told.append(
      f"{row['cell']}, {row['arrangement']}, {row['time']:,} steps: "
      f"{share(row['peak_share'])} of the plain scan's memory at {_ratio(row)} "
      f"of its time; claimed: {claim}; {'holds' if holds else 'DOES NOT HOLD'}"
    )
  return told


def share(value: float | None) -> str:
  """A part of something: 1/60, 0.52, 1.3."""
  if value is None:
    return "-"
  return f"1/{1 / value:.0f}" if 0 < value < 0.2 else f"{value:.2f}"


def _mebibytes(count):
  return f"{count / MIB:,.1f}" if count < 100 * MIB else f"{count / MIB:,.0f}"


def _ratio(row):
  if row["ratio"] is None:
    return "-"
  return f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"
