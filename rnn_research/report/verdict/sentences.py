"""The sentences of the page: the number first, then what it doesn't show."""

from typing import NamedTuple

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms import RULES
from rnn_research.report.episodes import count_episodes, run_episodes
from rnn_research.report.gains import nothing_left
from rnn_research.report.outcomes import last_error, outcome
from rnn_research.report.statistics import mean_interval
from rnn_research.report.verdict.records import Diagnosis, Try

NOISE = 3.0  # standard errors


class Sentence(NamedTuple):
  """One finding.

  Attributes:
    topic: what it is about.
    text: the finding, its number first.
    limits: what it does not show.
  """

  topic: str
  text: str
  limits: str


def sentences(found: Diagnosis) -> list[Sentence]:
  """All findings, in the order of the page."""
  return [
    result(found),
    gain(found),
    coherence(found),
    memory(found),
    episodes(found),
    to_try(found),
  ]


def headline(found: Diagnosis) -> str:
  """The verdict in one sentence."""
  start, now = (
    _IS.get(word := found.word(moment.gain), word)
    for moment in (found.initial, found.final)
  )
  change = f"Before training the gradient {start} {_lag(found)}, at the end it"
  change += " still does" if start == now and start not in _IS.values() else f" {now}"
  alarms = (
    f" {wording.plural(len(found.alarms), 'alarm')}:"
    f" {wording.listing([alarm.name for alarm in found.alarms])}."
    if found.alarms
    else ""
  )
  return f"{change}; {_short_result(found)}.{alarms}"


# The words that aren't verbs.
_IS = {"undetermined": "is undetermined", wording.NONE: "is not measured"}


def _lag(found: Diagnosis) -> str:
  lag = found.gain.lag
  return f"over {lag:.0f} steps" if np.isfinite(lag) else "over the task's lag"


def _short_result(found: Diagnosis) -> str:
  if found.arm.group == "digits":
    accuracy = wording.percent(1 - mean_interval(last_error(found.run)).mean, 1)
    return f"held-out accuracy {accuracy}"
  own = outcome(found.run, found.study.thresholds["solved_error"])
  return f"{own.wins} of {wording.plural(own.count, 'seed')} solved the task"


def result(found: Diagnosis) -> Sentence:
  """What came of the training."""
  run = found.run
  steps = f"step {run.steps:,}"
  diverged = len(run.diverged)
  stopped = f"; {wording.plural(diverged, 'seed')} diverged" if diverged else ""
  if found.arm.group == "digits":
    value = mean_interval(1 - last_error(run))
    ends = ""
    if value.count > 1:
      low, high = (min(max(x, 0), 1) for x in (value.low, value.high))
      ends = f" [{wording.percent(low, 1)}, {wording.percent(high, 1)}]"
    return Sentence(
      "Outcome",
      f"{wording.percent(value.mean, 1)}{ends} of the held-out examples are right at"
      f" {steps}, mean over {wording.plural(value.count, 'seed')}{stopped}.",
      "how good that is: it takes a baseline on the same data to say.",
    )
  threshold = found.study.thresholds["solved_error"]
  own = outcome(run, threshold)
  low, high = own.wilson
  return Sentence(
    "Outcome",
    f"{own.wins} of {wording.plural(own.count, 'seed')} solved the task at {steps}"
    f" (held-out error below {wording.percent(threshold)}; 95% Wilson interval of the"
    f" rate {wording.percent(low)} to {wording.percent(high)}), {int(own.ever.sum())}"
    f" ever did, {own.lost} lost it again{stopped}.",
    "whether more steps or another learning rate would have been enough; and a rate"
    " over few seeds is as wide as its interval.",
  )


def gain(found: Diagnosis) -> Sentence:
  """Fades, passes or blows up: at the start, at its largest, now."""
  lag = f" at lag {found.gain.lag:.0f}" if np.isfinite(found.gain.lag) else ""
  place = (
    f"{found.gain.place}{lag}"
    if found.gain.known
    else f"the longest lag{lag}, since no step of this problem is a known event"
  )
  parts = [
    f"{wording.interval(mean_interval(values), 1)} {when} ({_word(found, values)})"
    for when, values in (
      ("before training", found.initial.gain),
      ("at its largest", found.largest),
      ("now", found.final.gain),
    )
  ]
  now = mean_interval(found.final.gain).mean
  left = " Now nothing at all is left there."
  if np.isfinite(now):
    left = f" Now {wording.portion(now)} of the gradient is left there."
  elif np.isnan(found.final.gain).all():
    left = " No value now: it was not measured."
  return Sentence(
    "Gain",
    f"{'; '.join(parts)}: log10 of the gain of the loss's own gradient from the last"
    f" step back to {place}, mean over seeds of the median example.{left} Fades:"
    f" the 95% t interval lies below"
    f" −{found.decades:g}; blows up: above +{found.decades:g}; passes: inside.",
    "whether the task can be learned: before training the gain doesn't rank cells,"
    " and a gain that passes may carry noise.",
  )


def _word(found: Diagnosis, values: np.ndarray) -> str:
  """The verdict on a gain, and how many seeds its mean is without."""
  lost = nothing_left(values)
  return f"{found.word(values)}; {lost}" if lost else found.word(values)


def coherence(found: Diagnosis) -> Sentence:
  """Do examples agree on the gradient: at the task's lag, and on the whole."""
  ends = (("before training", found.initial), ("now", found.final))
  parts = []
  if any(np.isfinite(moment.coherence).any() for _, moment in ends):
    values = [_agreement(m.coherence, m.coherence_error, w) for w, m in ends]
    which = _lag_of_the_kernel(found)
    parts.append(
      f"{' and '.join(values)}: how far examples agree on the recurrent kernel's"
      f" gradient at {which} (1: all agree, 0: noise)"
    )
  if any(np.isfinite(moment.share).any() for _, moment in ends):
    values = [_agreement(m.share, m.error, w) for w, m in ends]
    parts.append(
      f"{' and '.join(values)}: the part of a training batch's squared gradient that"
      " fresh batches have in common, all weights and lags together"
    )
  if not parts:
    return Sentence(
      "Coherence",
      "No number: this run was not measured with sequences of its own.",
      "anything about noise.",
    )
  return Sentence(
    "Coherence",
    f"{'; '.join(parts)}.",
    "that what agrees is enough to learn from: a small share adds up over steps, a"
    " large one may concern what is already known.",
  )


def _lag_of_the_kernel(found: Diagnosis) -> str:
  if found.gain.known:
    return "the first event's lag"
  # The kernel of the first step multiplies the initial carry, which tells nothing.
  lag = found.gain.lag - 2
  which = "the longest with a state behind it"
  return f"lag {lag:.0f}, {which}" if np.isfinite(lag) else f"the lag that is {which}"


def _agreement(values: np.ndarray, errors: np.ndarray, when: str) -> str:
  """A mean over seeds, and whether its own standard error drowns it."""
  known = values[np.isfinite(values)]
  if not known.size:
    return f"{wording.NONE} {when}"
  mean, error = float(known.mean()), float(errors[np.isfinite(errors)].max(initial=0))
  noise = " (not told from noise)" if abs(mean) < NOISE * error else ""
  return f"{wording.small(mean)} ± {wording.small(error)} {when}{noise}"


def memory(found: Diagnosis) -> Sentence:
  """Does the state still follow a swapped event?"""
  follows, stays = found.final.follows, found.final.stays
  if np.isnan(follows).all():
    measured = "final" in found.content
    return Sentence(
      "Memory",
      "No number: this problem has no event that can be swapped for another."
      if measured
      else "No number: the swap was not made for this run.",
      "anything about what the state remembers.",
    )
  before = wording.percent(float(np.nanmean(found.initial.follows)))
  return Sentence(
    "Memory",
    f"{wording.percent(float(np.nanmean(follows)))} of the answers follow when the"
    f" first event is swapped for another (lowest seed"
    f" {wording.percent(float(np.nanmin(follows)))}; {before} before training);"
    f" {wording.percent(float(np.nanmean(stays)))} keep to what it was.",
    "a gradient: a state can remember what no gradient reaches any more, and then a"
    " short gain is not forgetting.",
  )


def episodes(found: Diagnosis) -> Sentence:
  """Instability, and whether the loss came back."""
  limits = found.study.thresholds
  tally = count_episodes(run_episodes(found.run, limits))
  lost = f"{tally.unrecovered} never"
  if tally.cut:
    lost += f", {tally.cut} cut off by the end of the run"
  return Sentence(
    "Episodes",
    f"{wording.plural(tally.total, 'instability episode')} in"
    f" {wording.plural(found.run.seeds, 'seed')}: {tally.recovered} recovered within"
    f" {limits['episode_recovery']:g} steps, {tally.late} later, {lost}. An episode:"
    f" gradient norm above {limits['episode_factor']:g} times its running median.",
    "a fault by itself: healthy runs have episodes, and clip some of their steps.",
  )


def moved(found: Diagnosis) -> list[Try]:
  """Other starts whose gain passes, the nearest to 0 first."""
  inside = [t for t in found.tries if found.word(t.gain) == "passes"]
  return sorted(inside, key=lambda t: abs(mean_interval(t.gain).mean))


def to_try(found: Diagnosis) -> Sentence:
  """Which settings change the number, before any training."""
  if not found.tries:
    return Sentence(
      "What to try",
      "No number: no other start was measured for this run.",
      "anything about other settings.",
    )
  inside = moved(found)
  listed = wording.listing(
    [f"{t.setting} ({wording.interval(mean_interval(t.gain), 1)})" for t in inside[:4]]
  )
  more = f", nearest to 0 first: {listed}" if inside else ""
  now = found.word(found.initial.gain)
  start = "where it is already" if now == "passes" else f"where it {now} as it was run"
  if now == "undetermined":
    start = "where it is undetermined as it was run"
  return Sentence(
    "What to try",
    f"{len(inside)} of {wording.plural(len(found.tries), 'other start')} put the gain"
    f" before training inside ±{found.decades:g} decades, {start}{more}. Measured,"
    " and untested by training.",
    "that a run started so learns more: only training it does.",
  )


def alarm_line(found: Diagnosis) -> str:
  """What is said where there is no alarm."""
  return (
    f"0 of {len(RULES)} rules find a broken trainer. That is no proof of a sound one:"
    " a fault that the records don't show stays unseen."
    if not found.alarms
    else f"{len(found.alarms)} of {len(RULES)} rules find a broken trainer."
  )
