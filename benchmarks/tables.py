"""The rows as markdown, and what they add up to."""

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.ratios import Ratio, geometric_mean
from benchmarks.team import JAX_PEERS, OURS, PEERS

Row = dict[str, Any]
KEYS = ("setting", "cell", "batch", "time", "input", "hidden", "direction")
TITLES = {
  "same_devices": "Same devices: one CPU device each",
  "as_shipped": "As shipped: ours with one device a core",
}


def groups(rows: Sequence[Row]) -> dict[tuple, dict[str, Row]]:
  """Rows of one setting and entry together, by library."""
  found: dict[tuple, dict[str, Row]] = {}
  for row in rows:
    found.setdefault(tuple(row[key] for key in KEYS), {})[row["library"]] = row
  return found


def best_jax(libraries: dict[str, Row]) -> Row | None:
  """The row of the fastest library on JAX."""
  rows = [libraries[name] for name in JAX_PEERS if name in libraries]
  return min(rows, key=lambda row: row["milliseconds"], default=None)


def label(key: tuple) -> str:
  """An entry of a group without its setting."""
  _, cell, *sizes, direction = key
  return f"{cell} {'x'.join(map(str, sizes))} {direction}"


def tables(rows: Sequence[Row]) -> str:
  """One table a setting."""
  parts = []
  for setting in dict.fromkeys(row["setting"] for row in rows):
    here = [row for row in rows if row["setting"] == setting]
    peers = [p for p in PEERS if any(row["library"] == p for row in here)]
    titles = ["entry (batch x time x input x hidden)", "ours, ms", "products, ms"]
    titles += [f"ours / {peer}" for peer in peers]
    lines = [
      f"### {TITLES[setting]}",
      "",
      line_of(titles),
      line_of(["---"] * len(titles)),
    ]
    for key, libraries in groups(here).items():
      ours = libraries[OURS]
      cells = [label(key), _time(ours["milliseconds"])]
      cells.append(_time(ours["limit_milliseconds"]))
      cells += [ratio_cell(libraries.get(peer)) for peer in peers]
      lines.append(line_of(cells))
    parts.append("\n".join(lines))
  note = (
    "Ratios: median over rounds (95% bootstrap interval); below 1 ours is faster, "
    "bold where the whole interval says that it is slower."
  )
  return "\n\n".join([*parts, note]) + "\n"


def short_table(rows: Sequence[Row], setting: str, direction: str) -> str:
  """Ours against the fastest library on JAX and against PyTorch, a line an entry."""
  titles = ["entry (batch x time x input x hidden)", "ours, ms", "products, ms"]
  titles += ["ours / best on JAX", "which", "ours / PyTorch"]
  lines = [line_of(titles), line_of(["---"] * len(titles))]
  for key, libraries in groups(rows).items():
    if (key[0], key[-1]) != (setting, direction):
      continue
    ours, best = libraries[OURS], best_jax(libraries)
    lines.append(
      line_of(
        [
          label(key).removesuffix(f" {direction}"),
          _time(ours["milliseconds"]),
          _time(ours["limit_milliseconds"]),
          ratio_cell(best),
          best["library"] if best else "-",
          ratio_cell(libraries.get("torch")),
        ]
      )
    )
  return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
  """Geometric means and the slower entries, by setting and direction."""
  lines = []
  for setting in dict.fromkeys(row["setting"] for row in rows):
    for direction in dict.fromkeys(row["direction"] for row in rows):
      here = groups(
        [r for r in rows if (r["setting"], r["direction"]) == (setting, direction)]
      )
      lines.extend(f"- {setting}, {direction}: {line}" for line in _sums(here))
  return "\n".join(lines)


def _sums(here: dict[tuple, dict[str, Row]]) -> Iterator[str]:
  """Against the best library on JAX, against PyTorch, against the products."""
  comparisons = {
    "the best JAX peer": {key: best_jax(found) for key, found in here.items()},
    "PyTorch": {key: found.get("torch") for key, found in here.items()},
  }
  for name, compared in comparisons.items():
    known = {key: row for key, row in compared.items() if row is not None}
    if not known:
      continue
    mean = geometric_mean([row["ratio"] for row in known.values()])
    slower = [
      f"{label(key)} {ratio_cell(row).strip('*')} ({row['library']})"
      for key, row in known.items()
      if Ratio.of_row(row).slower
    ]
    faster = sum(Ratio.of_row(row).faster for row in known.values())
    yield (
      f"ours / {name}: geometric mean {mean:.3f}; faster in {faster}, "
      f"slower in {len(slower)} of {len(known)}" + "".join(f"; {s}" for s in slower)
    )
  over = [
    found[OURS]["milliseconds"] / found[OURS]["limit_milliseconds"]
    for found in here.values()
  ]
  if over:
    yield f"ours / bare products: geometric mean {geometric_mean(over):.2f}"


def line_of(cells: Sequence[str]) -> str:
  """A line of a markdown table."""
  return f"| {' | '.join(cells)} |"


def _time(milliseconds: float) -> str:
  digits = 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0
  return f"{milliseconds:.{digits}f}"


def ratio_cell(row: Row | None) -> str:
  """Ours over this row's library; bold where ours is slower."""
  if row is None:
    return "-"
  ratio = Ratio.of_row(row)
  return f"**{ratio.told()}**" if ratio.slower else ratio.told()
