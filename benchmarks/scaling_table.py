"""What was measured of growth: rows, tables, and whether the claims hold."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.exponents import fit_exponent, misfits
from benchmarks.ratios import ratio_of
from benchmarks.scaling_programs import ALONE, APART, DEFAULT_LOOP, Subject

SIZE, SEEDS, EXPONENT = "size", "seeds", "exponent"  # kinds of rows
NAMES = {
  "time": "time steps",
  "batch": "batch",
  "hidden": "hidden",
  "seeds": "seeds",
  "devices": "devices",
}
# What is claimed: time doesn't grow exponentially with the length, but linearly; and
# seeds in one program cost no more than their share of the devices and a little.
CLAIMED_EXPONENT = 1.1
CLAIMED_SEEDS, CLAIMED_DEVICES, CLAIMED_HIDDEN = 10, 2, (50, 128)
CLAIMED_RATIO = 5.6

Times = Sequence[float]


def size_rows(varied: str, subjects: Mapping[Subject, Times]) -> list[dict[str, Any]]:
  """A row a size, and one of their exponent.

  Args:
    varied: field of the shape that differs.
    subjects: seconds of each in every round.
  """
  rows = [
    _row(SIZE, subject, taken) | {"varied": varied}
    for subject, taken in subjects.items()
  ]
  by_size = {getattr(s.shape, varied): taken for s, taken in subjects.items()}
  return [*rows, _exponent(varied, next(iter(subjects)), by_size)]


def seed_rows(subjects: Mapping[Subject, Times]) -> list[dict[str, Any]]:
  """A row a program over the time of one seed alone, and their exponents.

  Args:
    subjects: seconds of each in every round; one of them is alone.
  """
  (alone,) = (taken for s, taken in subjects.items() if s.loop == ALONE)
  rows = []
  for subject, taken in subjects.items():
    ratio = ratio_of(taken, alone)
    rows.append(_row(SEEDS, subject, taken) | ratio.columns())
  several = {s: t for s, t in subjects.items() if s.loop not in (ALONE, APART)}
  for varied in ("seeds", "devices"):
    families: dict[Subject, dict[int, Times]] = {}
    for subject, taken in several.items():
      # Devices are compared at the most seeds: fewer can't be spread as well.
      if varied == "devices" and subject.seeds < max(s.seeds for s in several):
        continue
      family = families.setdefault(subject._replace(**{varied: 0}), {})
      family[getattr(subject, varied)] = taken
    rows += [
      _exponent(varied, family, by_size)
      for family, by_size in families.items()
      if len(by_size) > 1
    ]
  return rows


def tables(rows: Sequence[dict[str, Any]]) -> str:
  """The exponents, then the seeds, as markdown."""
  lines = [
    "| cell | what grows | from - to | seeds | devices, loop | exponent [95%] "
    "| last step of sizes: time x [95%] |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ]
  for row in _kind(rows, EXPONENT):
    sizes, varied = row["sizes"], row["varied"]
    seeds = "varied" if varied == "seeds" else row["seeds"]
    devices = "varied" if varied == "devices" else row["devices"]
    lines.append(
      f"| {row['cell']} | {NAMES[varied]} | {sizes[0]:,} - {sizes[-1]:,} | {seeds} "
      f"| {devices}, {row['loop']} | {interval(row, 'exponent')} "
      f"| {sizes[-2]:,} - {sizes[-1]:,}: {interval(row, 'last')} |"
    )
  lines += [
    "",
    "| cell | shape | seeds | devices | loop | ms | one program / one seed alone on "
    "one device [95%] |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ]
  for row in _kind(rows, SEEDS):
    shape = "x".join(str(row[name]) for name in ("batch", "time", "input", "hidden"))
    lines.append(
      f"| {row['cell']} | {shape} | {row['seeds']} | {row['devices']} | {row['loop']} "
      f"| {row['milliseconds']:.3g} | {interval(row, 'ratio')} |"
    )
  return "\n".join(lines)


def claims(rows: Sequence[dict[str, Any]]) -> list[str]:
  """Whether what is claimed holds, a line each; none of what wasn't measured."""
  told = []
  for row in _kind(rows, EXPONENT):
    if row["varied"] != "time":
      continue
    *_, before, last = row["sizes"]
    power, exponential = row["power_misfit"], row["exponential_misfit"]
    if len(row["sizes"]) > 2:
      told.append(
        f"{row['cell']}: from {row['sizes'][0]:,} to {last:,} steps a power of the "
        f"length misses the times by {power:.0%}, an exponential by {exponential:.0%}; "
        f"claimed: not exponential; {_verdict(power < exponential)}"
      )
    told.append(
      f"{row['cell']}: time grows as T^{interval(row, 'exponent')}, and from "
      f"{before:,} to {last:,} steps by {interval(row, 'last')}; claimed: linearly (an "
      f"exponent of at most {CLAIMED_EXPONENT}); "
      f"{_verdict(row['exponent'] <= CLAIMED_EXPONENT)}"
    )
  low, high = CLAIMED_HIDDEN
  for row in _kind(rows, SEEDS):
    at_claim = (row["seeds"], row["devices"], row["loop"]) == (
      CLAIMED_SEEDS,
      CLAIMED_DEVICES,
      DEFAULT_LOOP,
    )
    if at_claim and low <= row["hidden"] <= high:
      told.append(
        f"{row['cell']}, hidden {row['hidden']}: {CLAIMED_SEEDS} seeds in one program "
        f"on {CLAIMED_DEVICES} devices take {interval(row, 'ratio')} of one seed alone "
        f"on one device{_apart(rows, row)}; claimed: at most {CLAIMED_RATIO}; "
        f"{_verdict(row['ratio'] <= CLAIMED_RATIO)}"
      )
  return told


def _apart(rows, row):
  """What processes with a core each make of the same seeds, if that was measured."""
  same = ("cell", "hidden", "seeds", "devices")
  return "".join(
    f" ({interval(other, 'ratio')} in processes with a core each)"
    for other in _kind(rows, SEEDS)
    if other["loop"] == APART and all(other[name] == row[name] for name in same)
  )


def interval(row: Mapping[str, Any], name: str) -> str:
  """A value of a row with its interval."""
  return f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"


def _row(kind, subject, taken):
  return {
    "kind": kind,
    "cell": subject.cell,
    **subject.shape._asdict(),
    "seeds": subject.seeds,
    "devices": subject.devices,
    "loop": subject.loop,
    "milliseconds": statistics.median(taken) * 1e3,
    "rounds": len(taken),
  }


def _exponent(varied, subject, by_size):
  """The exponent of a family, and what its last step costs; `subject` is any of it."""
  sizes = sorted(by_size)
  times = [by_size[size] for size in sizes]
  fit = fit_exponent(sizes, times)
  power, exponential = misfits(sizes, times)
  last = ratio_of(by_size[sizes[-1]], by_size[sizes[-2]])
  same = {
    "cell": subject.cell,
    **subject.shape._asdict(),
    "seeds": subject.seeds,
    "devices": subject.devices,
    "loop": subject.loop,
  }
  return {
    "kind": EXPONENT,
    **same,
    varied: None,
    "varied": varied,
    "sizes": sizes,
    "exponent": fit.slope,
    "exponent_low": fit.low,
    "exponent_high": fit.high,
    "power_misfit": power,
    "exponential_misfit": exponential,
    "last": last.median,
    "last_low": last.low,
    "last_high": last.high,
  }


def _kind(rows, kind):
  return [row for row in rows if row["kind"] == kind]


def _verdict(holds):
  return "holds" if holds else "DOES NOT HOLD"
