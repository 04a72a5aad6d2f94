"""Which alarm each labelled run raised: counts, rates and their intervals."""

import html
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from rnn_research.report import wording
from rnn_research.report.statistics import wilson_interval
from rnn_research.report.tables.markup import table
from rnn_research.report.verdict.records import read_diagnosis

HEALTHY = "healthy"
NO_ALARM = "no alarm"
# The right name of each planted fault.
RIGHT = {
  "unstable": "instability without recovery",
  "frozen": "parameters stand still",
  "held_leaf": "parameter held",
  "no_leaf_gradient": "no gradient",
  "cut": "gradient cut",
  "uphill": "uphill updates",
  "no_clip": "clip without effect",
  "step_size": "step size",
  "forgetful": "optimizer state lost",
  "repeated": "held-out data are another problem",
  # Networks trained so ignore their inputs, as those do that have not learned yet:
  # no record tells the two apart, and no rule claims to.
  "shuffled": "none known",
  "blank": "inputs are blank",
  "not_a_number": "not finite",
}


class Judged(NamedTuple):
  """One labelled run and what was said of it.

  Attributes:
    kind: `healthy`, or the fault.
    run: name of its folder.
    solved: seeds that solved their task.
    alarms: names, the first one being the verdict.
  """

  kind: str
  run: str
  solved: int
  alarms: tuple[str, ...]

  @property
  def named(self) -> str:
    """The first alarm."""
    return self.alarms[0] if self.alarms else NO_ALARM

  @property
  def right(self) -> bool:
    """Whether that is what it should be."""
    return self.named == RIGHT.get(self.kind, NO_ALARM)


def judge(runs: Iterable[tuple[str, Path]]) -> list[Judged]:
  """Reads the records of labelled runs and applies the rules."""
  judged = []
  for kind, folder in runs:
    found = read_diagnosis(folder)
    threshold = found.study.thresholds["solved_error"]
    errors = found.run.final.get("error")
    solved = 0 if errors is None else int((errors < threshold).sum())
    names = tuple(alarm.name for alarm in found.alarms)
    judged.append(Judged(kind, folder.name, solved, names))
  return judged


def rates(judged: list[Judged]) -> dict[str, dict[str, Any]]:
  """Counts, rates and Wilson intervals: faults named, and healthy runs alarmed."""
  faulty = [run for run in judged if run.kind != HEALTHY]
  healthy = [run for run in judged if run.kind == HEALTHY]
  counts = {
    "faults named": (sum(run.right for run in faulty), len(faulty)),
    "faults with any alarm": (sum(bool(run.alarms) for run in faulty), len(faulty)),
    "healthy runs alarmed": (sum(not run.right for run in healthy), len(healthy)),
  }
  return {
    name: {
      "count": count,
      "of": total,
      "rate": count / total if total else None,
      "interval": wilson_interval(count, total),
    }
    for name, (count, total) in counts.items()
  }


def matrix(judged: list[Judged]) -> dict[str, dict[str, int]]:
  """Runs by kind and by the alarm that named them."""
  found: dict[str, dict[str, int]] = {}
  for run in judged:
    row = found.setdefault(run.kind, {})
    row[run.named] = row.get(run.named, 0) + 1
  return found


def summary(splits: Mapping[str, list[Judged]]) -> dict[str, Any]:
  """Everything, for a JSON file."""
  return {
    split: {
      "rates": rates(judged),
      "matrix": matrix(judged),
      "runs": [run._asdict() for run in judged],
    }
    for split, judged in splits.items()
  }


def plain(splits: Mapping[str, list[Judged]]) -> str:
  """The rates and the matrix, for a terminal."""
  lines = []
  for split, judged in splits.items():
    lines.append(f"seeds of the {split}:")
    lines += [f"  {line}" for line in _rate_lines(judged)]
    for kind, row in matrix(judged).items():
      named = ", ".join(f"{count} {name}" for name, count in row.items())
      lines.append(f"  {kind:18} {named}")
  return "\n".join(lines)


def _rate_lines(judged: list[Judged]) -> list[str]:
  return [
    f"{name}: {own['count']} of {own['of']}, {wording.percent(own['rate'], 1)}"
    f" [{wording.percent(own['interval'][0], 1)},"
    f" {wording.percent(own['interval'][1], 1)}]"
    for name, own in rates(judged).items()
    if own["of"]
  ]


def write(folder: Path, splits: Mapping[str, list[Judged]]) -> Path:
  """Writes `confusion.html`; returns its path."""
  css = resources.files("rnn_research.report") / "page.css"
  sections = "".join(_section(split, judged) for split, judged in splits.items())
  text = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
    f"<title>Alarms against planted faults</title><style>{css.read_text()}"
    "</style></head><body><main><h1>Alarms against planted faults</h1>"
    "<p class='lead'>Small runs, sound and broken on purpose, and the first alarm that"
    " each raised. The rules were set on the tuning seeds; the rates to quote are"
    f" those of the report seeds.</p>{sections}"
    "<p class='limits'><b>What this does not show:</b> faults of other kinds, or in"
    " larger runs; the intervals treat runs as independent, while several share a"
    " program and seeds.</p></main></body></html>"
  )
  path = folder / "confusion.html"
  path.write_text(text, encoding="utf-8")
  return path


def _section(split: str, judged: list[Judged]) -> str:
  rows = []
  for kind, row in matrix(judged).items():
    total, right = sum(row.values()), row.get(RIGHT.get(kind, NO_ALARM), 0)
    others = [
      f"{count} {name}"
      for name, count in row.items()
      if name != RIGHT.get(kind, NO_ALARM)
    ]
    solved = sum(run.solved > 0 for run in judged if run.kind == kind)
    rows.append(
      [
        html.escape(kind.replace("_", " ")),
        html.escape(RIGHT.get(kind, NO_ALARM)),
        f"<b>{right}</b> of {total}",
        html.escape("; ".join(others)) or "–",
        str(solved),
      ]
    )
  heads = ["Planted", "Right name", "Named so", "Named otherwise", "Runs that solved"]
  lines = "; ".join(_rate_lines(judged))
  caption = f"Seeds of the {split}. {lines} (95% Wilson intervals)."
  return table(heads, rows, caption)
