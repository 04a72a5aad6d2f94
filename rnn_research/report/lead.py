"""The first sentence of the page: what is seen, in numbers from the records."""

import math

from rnn_research.report import wording
from rnn_research.report.doses import Response, responses
from rnn_research.report.gains import first_event_gain
from rnn_research.report.outcomes import last_error, outcome
from rnn_research.report.selection import (
  best_arm,
  default_arm,
  families,
  headline_arms,
)
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Arm, Study


def sentence(study: Study) -> str:
  """One sentence; which one depends on what the study holds."""
  cures = responses(study)
  if cures:
    return _doses(cures)
  arms = [arm for arm in headline_arms(study) if _gain(arm) is not None]
  if not arms:
    return _unfinished(study)
  turned = [family for family in families(arms) if len(family) > 1]
  place = first_event_gain(arms[0].run)
  lag = f", {place.lag:.0f} steps back," if math.isfinite(place.lag) else ","
  start = f"At {place.place}{lag}"
  if not turned:
    parts = [f"{_left(arm)} in {arm.label}" for arm in arms]
    return (
      f"{start} the part of the gradient that is left before training is"
      f" {wording.listing(parts)}; {_solved(arms, study)}."
    )
  family = max(turned, key=len)
  threshold = study.thresholds["solved_error"]
  default, best = default_arm(family), best_arm(family, threshold)
  others = [arm for arm in arms if arm not in family]
  rest = "".join(
    f"; in {arm.label}, {_left(arm)}{_tally(arm, study)}" for arm in others
  )
  knob = (best.knob or "knob").replace("_", " ")
  return (
    f"{start} {_left(default)} of the gradient is left before training in"
    f" {default.label}{_tally(default, study)}; with its {knob} at"
    f" {best.value:g} it is {_left(best)}{_tally(best, study)}{rest}."
  )


def _doses(cures: list[Response]) -> str:
  """How many cures move their number, and what that is for the task."""
  still = [cure.name for cure in cures if not cure.moved]
  wins = [[dose.outcome.wins for dose in cure.doses] for cure in cures]
  more = sum(own[-1] > own[0] for own in wins)
  fewer = sum(own[-1] < own[0] for own in wins)
  rest = f"; not seen to: {wording.listing(still)}" if still else ""
  return (
    f"{len(cures) - len(still)} of {len(cures)} cures move the number that they should"
    f"{rest}. With the largest dose more seeds solve the task than with the smallest"
    f" under {more} of them, fewer under {fewer}."
  )


def _gain(arm: Arm) -> float | None:
  mean = mean_interval(first_event_gain(arm.run).start).mean
  return mean if math.isfinite(mean) else None


def _left(arm: Arm) -> str:
  return wording.portion(_gain(arm))


def _tally(arm: Arm, study: Study) -> str:
  result = outcome(arm.run, study.thresholds["solved_error"])
  if not result.count:
    return f" (run {arm.run.state})"
  return f" (solved by {result.wins} of {result.count} seeds)"


def _solved(arms: list[Arm], study: Study) -> str:
  parts = []
  for arm in arms:
    result = outcome(arm.run, study.thresholds["solved_error"])
    if not result.count:
      continue
    score = f"{result.wins} of {result.count} seeds"
    if arm.group == "digits":
      score = wording.percent(1 - mean_interval(last_error(arm.run)).mean, 1)
    parts.append(f"{score} ({arm.label})")
  if not parts:
    return "no run is finished yet"
  if arms[0].group == "digits":
    return f"held-out accuracy at the end is {wording.listing(parts)}"
  return f"the task is solved at the end by {wording.listing(parts)}"


def _unfinished(study: Study) -> str:
  done = [arm for arm in study.arms if arm.run and arm.run.state == "finished"]
  return (
    f"{len(done)} of {wording.plural(len(study.arms), 'run')} finished, none"
    " with a gain measured before training."
  )
