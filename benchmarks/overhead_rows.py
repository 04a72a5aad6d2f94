"""From the times of train steps to what each diagnostic adds."""

import statistics
from typing import Any

from benchmarks.overhead_programs import BARE, EXPONENTS, GRADIENT, INSPECTION
from benchmarks.ratios import Ratio, ratio_of


def make_rows(
  times: dict[str, list[float]], every: int, steps: int
) -> list[dict[str, Any]]:
  """Rows of one cell.

  Args:
    times: seconds in each round; of a dispatch of `steps` train steps, or of one
      inspection, or one measurement of exponents, which is compared to a gradient.
    every: train steps from one inspection to the next.
    steps: of a dispatch.
  """
  single = (INSPECTION, EXPONENTS)
  rows = []
  for name, taken in times.items():
    each = taken if name in single else [one / steps for one in taken]
    whole = times[GRADIENT if name == EXPONENTS else BARE]
    ratio = ratio_of(each, [one / steps for one in whole])
    share = ratio.median / every if name in single else ratio.median - 1
    rows.append(
      {
        "variant": name,
        "milliseconds": statistics.median(each) * 1e3,
        **ratio.columns(),
        "share": share,
        "rounds": len(taken),
      }
    )
  return rows


def table(rows: list[dict[str, Any]]) -> str:
  """A line a cell and variant, as markdown."""
  lines = [
    "| cell | variant | ms | ratio | added to training |",
    "| --- | --- | --- | --- | --- |",
  ]
  for row in rows:
    lines.append(
      f"| {row['cell']} | {row['variant']} | {row['milliseconds']:.3f} "
      f"| {Ratio.of_row(row).told(3)} | {row['share']:.1%} |"
    )
  return "\n".join(lines)
