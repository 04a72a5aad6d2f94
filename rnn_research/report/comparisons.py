"""The comparisons that the protocol declared, computed."""

from typing import NamedTuple

import numpy as np

from rnn_research.report import wording
from rnn_research.report.outcomes import last_error, outcome
from rnn_research.report.statistics import (
  fisher_p,
  holm,
  rate_difference,
  welch_difference,
)
from rnn_research.report.study import Arm, Study


class Comparison(NamedTuple):
  """One declared comparison and how it came out.

  Attributes:
    name: as declared.
    arms: labels of its two arms.
    expect: what was expected, as declared.
    seen: effect and interval in words, or why there is none.
    p: of the declared test; NaN if it can't be computed.
    adjusted: Holm's p over the declared family.
  """

  name: str
  arms: tuple[str, str]
  expect: str
  seen: str
  p: float
  adjusted: float


def compare(study: Study) -> list[Comparison]:
  """Every declared comparison, in order; Holm covers all, p = 1 where none is known."""
  found = []
  for entry in study.protocol.get("comparisons", []):
    names = [*entry.get("arms", []), "?", "?"][:2]
    pair = [study.find(name) for name in names]
    labels = tuple(
      arm.label if arm else name for arm, name in zip(pair, names, strict=True)
    )
    seen, p = _measure(entry.get("measure", ""), pair, study)
    found.append(
      Comparison(
        name=entry.get("name", ""),
        arms=labels,
        expect=str(entry.get("expect", "")),
        seen=seen,
        p=p,
        adjusted=np.nan,
      )
    )
  # A run that is missing still counts: no p may grow when it is there.
  declared = [entry.p if np.isfinite(entry.p) else 1.0 for entry in found]
  return [
    entry._replace(adjusted=p if np.isfinite(entry.p) else np.nan)
    for entry, p in zip(found, holm(declared), strict=True)
  ]


def _measure(measure: str, pair: list[Arm | None], study: Study) -> tuple[str, float]:
  if any(arm is None or arm.run is None for arm in pair):
    return "not computed: a run is missing", np.nan
  if measure == "solved":
    return _solved(pair, study.thresholds["solved_error"])
  if measure in ("error", "accuracy"):
    return _means(measure, pair)
  return f"not computed: no test is known for {measure!r}", np.nan


def _solved(pair: list[Arm], threshold: float) -> tuple[str, float]:
  results = [outcome(arm.run, threshold) for arm in pair]
  if not all(result.count for result in results):
    return "not computed: a run is not finished", np.nan
  wins = (results[0].wins, results[1].wins)
  counts = (results[0].count, results[1].count)
  low, high = rate_difference(wins, counts)
  difference = wins[0] / counts[0] - wins[1] / counts[1]
  text = (
    f"solved {wins[0]} of {counts[0]} against {wins[1]} of {counts[1]}:"
    f" difference {wording.percent(difference)}"
    f" [{wording.percent(low)}, {wording.percent(high)}]"
  )
  return text, fisher_p(wins, counts)


def _means(measure: str, pair: list[Arm]) -> tuple[str, float]:
  if not all("error" in arm.run.final for arm in pair):
    return "not computed: a run is not finished", np.nan
  errors = [last_error(arm.run) for arm in pair]
  first, second = [1 - e for e in errors] if measure == "accuracy" else errors
  try:
    difference, p = welch_difference(first, second)
  except ValueError as error:
    return f"not computed: {error}", np.nan
  text = (
    f"{measure} {wording.percent(np.nanmean(first), 1)} against"
    f" {wording.percent(np.nanmean(second), 1)}: difference"
    f" {wording.percent(difference.mean, 1)}"
    f" [{wording.percent(difference.low, 1)},"
    f" {wording.percent(difference.high, 1)}]"
  )
  return text, p
