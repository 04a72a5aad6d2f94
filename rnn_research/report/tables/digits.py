"""The digits table: held-out accuracy beside the linear classifier's."""

import html
import math

from rnn_research.report import wording
from rnn_research.report.outcomes import last_error
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study
from rnn_research.report.tables.markup import arm_name, table

HEADS = ["Model", "Accuracy", "95% interval", "Lower bound", "Seeds", "Seconds"]


def draw(study: Study) -> str:
  """One row per digits arm and one for the classifier, if either exists."""
  arms = [arm for arm in study.arms if arm.group == "digits"]
  baseline = study.baseline.get("digits")
  if not arms:
    return ""
  rows = [_row(arm) for arm in arms]
  if baseline:
    accuracy = wording.percent(1 - baseline["test_error"], 1)
    name = html.escape(baseline.get("name", "baseline"))
    seconds = baseline.get("seconds")
    time = "–" if seconds is None else f"{seconds:.1f}"
    rows.append([name, f"<b>{accuracy}</b>", "–", "–", "1", time])
  return table(
    HEADS,
    rows,
    "Table #. Digits: held-out accuracy at the last step, mean over seeds with"
    f" its 95% t interval. {comparison(study)}",
  )


def comparison(study: Study) -> str:
  """Which arms' intervals lie above, below or across the classifier."""
  baseline = study.baseline.get("digits")
  if not baseline:
    return "No linear classifier is on record for comparison."
  level = 1 - baseline["test_error"]
  places: dict[str, list[str]] = {}
  for arm in study.arms:
    if arm.group == "digits" and arm.run is not None and _has_scores(arm):
      value = mean_interval(1 - last_error(arm.run))
      if math.isnan(value.low):
        continue
      above, below = value.low > level, value.high < level
      place = "above" if above else "below" if below else "across"
      places.setdefault(place, []).append(arm.label)
  words = [
    f"{wording.listing(labels)} {'lie' if len(labels) > 1 else 'lies'} {place}"
    for place, labels in places.items()
  ]
  return (
    f"Against the linear classifier's {wording.percent(level, 1)}, by their"
    f" intervals: {'; '.join(words)} it."
    if words
    else f"The linear classifier reaches {wording.percent(level, 1)}."
  )


def _has_scores(arm: Arm) -> bool:
  known = "error" in arm.run.final or len(arm.run.get("eval/error").steps)
  return bool(known)


def _row(arm: Arm) -> list[str]:
  if arm.run is None:
    return [arm_name(arm), "<em>no run</em>", "", "", "", ""]
  if not _has_scores(arm):
    return [arm_name(arm), f"<em>{arm.run.state}</em>", "", "", "", ""]
  mean, low, high, count = mean_interval(1 - last_error(arm.run))
  low, high = max(low, 0.0), min(high, 1.0)
  seconds = arm.run.status.get("seconds")
  note = "" if arm.run.final else f" <em>{arm.run.state}</em>"
  ends = f"{wording.percent(low, 1)} to {wording.percent(high, 1)}"
  return [
    arm_name(arm),
    f"<b>{wording.percent(mean, 1)}</b>{note}",
    ends if count > 1 else "–",
    wording.percent(low, 1) if count > 1 else "–",
    str(count),
    "–" if seconds is None else f"{seconds:.0f}",
  ]
