"""The table of runs: what was executed, for how long and where."""

import html

from rnn_research.report import wording
from rnn_research.report.study import Arm, Study
from rnn_research.report.tables.markup import arm_name, table

HEADS = ["Arm", "Run", "State", "Seeds", "Steps", "Devices", "Time", "Diverged"]


def draw(study: Study) -> str:
  """One row per arm of the protocol."""
  seconds = total_seconds(study)
  return table(
    HEADS,
    [_row(arm) for arm in study.arms],
    f"Table #. Runs; {wording.duration(seconds)} in all.",
  )


def total_seconds(study: Study) -> float:
  """Seconds of all runs on record."""
  runs = [arm.run for arm in study.arms if arm.run is not None]
  return float(sum(run.status.get("seconds") or 0 for run in runs))


def _row(arm: Arm) -> list[str]:
  name = f"<code>{html.escape(arm.name)}</code>"
  if arm.run is None:
    return [arm_name(arm), name, "<em>missing</em>", *[""] * 5]
  run = arm.run
  diverged = [f"seed {s} at {step:,}" for s, step in run.diverged.items()]
  return [
    arm_name(arm),
    name,
    run.state if run.state == "finished" else f"<em>{html.escape(run.state)}</em>",
    str(run.seeds),
    f"{run.steps:,}",
    str(run.status.get("devices", "–")),
    wording.duration(float(run.status.get("seconds") or 0)),
    ", ".join(diverged) or "none",
  ]
