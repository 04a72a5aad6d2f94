"""The table of arms: what was solved, and the gain at the first event."""

import html
import os

from rnn_research.report import style, wording
from rnn_research.report.gains import first_event_gain, nothing_left, verdict
from rnn_research.report.outcomes import outcome
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study
from rnn_research.report.tables.markup import arm_name, rate_bar, table, two_lines
from rnn_research.report.verdict.records import PAGE, read_diagnosis

HEADS = [
  "Arm",
  "Verdict",
  "Solved",
  "Step",
  "Gain at start",
  "Largest",
  "At end",
]


def draw(study: Study) -> str:
  """One row per synthetic and fault arm, missing ones included."""
  arms = [arm for arm in study.arms if arm.group in ("synthetic", "fault")]
  if not arms:
    return ""
  decades = study.thresholds["gain_decades"]
  return table(
    HEADS,
    [_row(arm, study) for arm in arms],
    "Table #. Arms. Solved: seeds with held-out error below"
    f" {wording.percent(study.thresholds['solved_error'], 0)} at the last step,"
    " with the 95% Wilson interval of the rate; ever: at any evaluation; lost:"
    " solved before, not at the end; diverged: no longer finite; step: median over"
    " seeds of the first of three consecutive evaluations below it. Gain: log10 at"
    " the first event (at the largest lag where none is known), mean over seeds of each"
    " seed's"
    " median example, with its t interval; the word below it says where that"
    f" interval lies against ±{decades:g} decades. Verdict: that word at the end;"
    " it leads to the run's own page.",
  )


def _row(arm: Arm, study: Study) -> list[str]:
  left = [f"{arm_name(arm)}{_setting(arm)}", _verdict(arm, study)]
  if arm.run is None:
    return [*left, "<em>no run</em>", *[""] * (len(HEADS) - 3)]
  result = outcome(arm.run, study.thresholds["solved_error"])
  gain = first_event_gain(arm.run)
  counts = [f"ever {int(result.ever.sum())}"]
  if result.count:
    colour = style.cell_style(arm.cell).colour
    solved = f"<b>{result.wins}</b> of {result.count}"
    solved += rate_bar(result.wins / result.count, *result.wilson, colour)
    counts.append(f"lost {result.lost}")
  else:
    solved = f"<em>{html.escape(arm.run.state)}</em>"
  if arm.run.diverged:
    counts.append(f"diverged {len(arm.run.diverged)}")
  gains = []
  for values in (gain.start, gain.largest, gain.end):
    text = two_lines(mean_interval(values))
    word = verdict(values, study.thresholds["gain_decades"])
    words = [w for w in (word, nothing_left(values)) if w and w != wording.NONE]
    gains.append(text + "".join(f"<small>{w}</small>" for w in words))
  return [
    *left,
    f"{solved}<small>{', '.join(counts)}</small>",
    wording.steps(result.median_steps),
    *gains,
  ]


def _setting(arm: Arm) -> str:
  """The problem, and the knob of the arm's family, in small print."""
  lines = [arm.problem.replace("_", " ")]
  if arm.length is not None:
    lines[0] += f", T = {arm.length}"
  if arm.knob is not None:
    value = "" if arm.value is None else f" {arm.value:g}"
    lines.append(f"{arm.knob.replace('_', ' ')}{value}")
  return "".join(f"<small>{html.escape(line)}</small>" for line in lines)


def _verdict(arm: Arm, study: Study) -> str:
  """The word at the end, leading to the run's own page, and what alarms there."""
  page = arm.run.path / PAGE if arm.run else None
  if page is None or not page.exists():
    return "–"
  found = read_diagnosis(arm.run.path)
  word = html.escape(found.word(found.final.gain))
  href = html.escape(os.path.relpath(page, study.path), quote=True)
  alarms = ", ".join(alarm.name for alarm in found.alarms) or "no alarm"
  style_of = " class='alarm'" if found.alarms else ""
  return f"<a href='{href}'>{word}</a><small{style_of}>{html.escape(alarms)}</small>"
