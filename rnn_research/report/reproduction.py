"""A published result beside ours: what is compared, and whether it came out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rnn_research.report.outcomes import steps_to_solve
from rnn_research.report.records import Run
from rnn_research.report.statistics import wilson_interval
from rnn_research.report.study import Study
from rnn_research.report.survival import median_with_interval

FILE = "obtained.json"


class Finding(NamedTuple):
  """One row of the comparison.

  Attributes:
    what: is compared.
    published: the figure, or that there is none.
    source: where it is published.
    obtained: ours, with seeds and interval.
    criterion: what was asked of it beforehand; "" if it is only reported.
    passed: whether that is so; None where nothing was asked, or a run is missing.
  """

  what: str
  published: str
  source: str
  obtained: str
  criterion: str = ""
  passed: bool | None = None


Judge = Callable[[Study], list[Finding]]


def write_findings(folder: Path, findings: Sequence[Finding]) -> Path:
  """Writes `obtained.json` into a study."""
  path = folder / FILE
  rows = [finding._asdict() for finding in findings]
  path.write_text(json.dumps(rows, indent=1) + "\n")
  return path


def table(findings: Sequence[Finding]) -> str:
  """The same as plain text."""
  lines = []
  for finding in findings:
    lines += [finding.what, f"  published  {finding.published} ({finding.source})"]
    lines += [f"  obtained   {finding.obtained}"]
    if finding.criterion:
      word = {True: "passed", False: "FAILED", None: "undecided"}[finding.passed]
      lines += [f"  {word:<9}  {finding.criterion}"]
  return "\n".join(lines)


def finished(study: Study, *names: str) -> list[Run] | None:
  """The runs of some arms; None unless all of them are finished."""
  arms = [study.find(name) for name in names]
  runs = [arm.run for arm in arms if arm is not None and arm.run is not None]
  whole = len(runs) == len(names) and all(run.state == "finished" for run in runs)
  return runs if whole else None


def first_success(run: Run) -> Float[np.ndarray, "seeds"]:
  """The step at which the run itself says each seed was solved; NaN = censored."""
  steps = [seed.get("solved_at") for seed in run.status["seeds"]]
  return np.array([np.nan if step is None else float(step) for step in steps])


def steps_below(run: Run, loss: float) -> Float[np.ndarray, "seeds"]:
  """First of three evaluations in a row with a held-out loss below a bound."""
  return steps_to_solve(run.get("eval/loss"), loss)


def in_words(steps: Float[np.ndarray, "seeds"]) -> str:
  """Solved seeds with Wilson's interval, and the median step with its own."""
  solved, count = int(np.isfinite(steps).sum()), len(steps)
  low, high = wilson_interval(solved, count)
  median, early, late = median_with_interval(steps)
  return (
    f"{solved} of {count} seeds [{low:.0%}, {high:.0%}],"
    f" median step {median:,.0f} [{early:,.0f}, {late:,.0f}]"
  )
