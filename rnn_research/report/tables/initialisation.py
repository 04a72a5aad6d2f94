"""The table of knobs that were measured before training and not trained."""

from rnn_research.report import wording
from rnn_research.report.gains import first_event_gain, nothing_left, verdict
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study
from rnn_research.report.tables.markup import arm_name, knob, table

HEADS = ["Arm", "Knob", "Gain at start", "95% interval", "Where it lies"]


def draw(study: Study) -> str:
  """One row per arm of the group `initialisation`."""
  arms = [arm for arm in study.arms if arm.group == "initialisation"]
  if not arms:
    return ""
  decades = study.thresholds["gain_decades"]
  return table(
    HEADS,
    [_row(arm, decades) for arm in arms],
    "Table #. Other knobs, measured before training and untested by training:"
    " log10 gain at the first event, mean over seeds with its t interval, and"
    f" where that interval lies against ±{decades:g} decades.",
  )


def _row(arm: Arm, decades: float) -> list[str]:
  if arm.run is None:
    return [arm_name(arm), knob(arm), "<em>no run</em>", "", ""]
  values = first_event_gain(arm.run).start
  mean, low, high, _ = mean_interval(values)
  return [
    arm_name(arm),
    knob(arm),
    f"<b>{wording.number(mean)}</b> ({wording.portion(mean)})",
    f"{wording.number(low)} to {wording.number(high)}",
    ", ".join(filter(None, (verdict(values, decades), nothing_left(values)))),
  ]
