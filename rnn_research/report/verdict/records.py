"""What a verdict page is written from: a run, and how it was measured once more."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from rnn_research.report.alarms import Alarm, Evidence, find_alarms
from rnn_research.report.gains import Gain, first_event_gain, largest, verdict
from rnn_research.report.records import Run, Series
from rnn_research.report.study import Arm, Study, read_study

FILE = "diagnosis.json"
PAGE = "verdict.html"
UNDETERMINED = "undetermined"
Values = Float[np.ndarray, "seeds"]


class Moment(NamedTuple):
  """The figures of the networks at one end of the run; NaN where unknown.

  Attributes:
    gain: log10 of the loss gain at the task's lag; minus infinity: nothing is left.
    share: of a batch's squared gradient that all batches have in common.
    error: standard error of that share.
    coherence: of the recurrent kernel's gradient at the task's lag.
    coherence_error: its standard error.
    follows: share of answers that follow a swapped first event.
    stays: share that keep to what it was.
  """

  gain: Values
  share: Values
  error: Values
  coherence: Values
  coherence_error: Values
  follows: Values
  stays: Values


class Try(NamedTuple):
  """Another start, measured and not trained.

  Attributes:
    knob: what was turned.
    value: where it stood.
    setting: as a flag says it.
    gain: log10 of the loss gain at the task's lag.
  """

  knob: str
  value: float
  setting: str
  gain: Values


class Diagnosis(NamedTuple):
  """One run, ready to be written about.

  Attributes:
    study: the run as a study of one arm.
    gain: at the task's lag through training.
    initial: before training.
    final: at the last step.
    tries: other starts.
    alarms: what only a broken trainer shows.
    content: `diagnosis.json` as it stands; {} if there is none.
  """

  study: Study
  gain: Gain
  initial: Moment
  final: Moment
  tries: tuple[Try, ...]
  alarms: tuple[Alarm, ...]
  content: dict[str, Any]

  @property
  def arm(self) -> Arm:
    """The only one."""
    return self.study.arms[0]

  @property
  def run(self) -> Run:
    """Its records."""
    return self.arm.run

  @property
  def decades(self) -> float:
    """How far from 0 a gain still passes."""
    return self.study.thresholds["gain_decades"]

  @property
  def largest(self) -> Values:
    """The largest gain of each seed on record, both ends included."""
    return largest(np.array([self.gain.largest, self.initial.gain, self.final.gain]))

  def word(self, values: Values) -> str:
    """The verdict on one gain; one seed alone has no interval."""
    if (~np.isnan(values)).sum() < 2:
      return UNDETERMINED
    return verdict(values, self.decades)


def read_diagnosis(path: Path | str) -> Diagnosis:
  """Read a run directory with whatever is there of its diagnosis.

  Raises:
    WorkdirError: the directory holds no run.
  """
  study = read_study(path)
  run = study.arms[0].run
  content = read_content(run.path)
  evidence = Evidence(run, content, study.thresholds)
  gain = first_event_gain(run)
  return Diagnosis(
    study=study,
    gain=gain,
    initial=_moment(content.get("initial"), run.seeds, gain.start),
    final=_moment(content.get("final"), run.seeds, gain.end),
    tries=tuple(
      Try(entry["knob"], entry["value"], entry["setting"], _values(entry["gain"]))
      for entry in content.get("tries", [])
    ),
    alarms=tuple(find_alarms(evidence)),
    content=content,
  )


def read_content(folder: Path) -> dict[str, Any]:
  """`diagnosis.json`; {} if it isn't there or can't be read."""
  try:
    content = json.loads((folder / FILE).read_text())
  except (OSError, ValueError):
    return {}
  return content if isinstance(content, dict) else {}


def curves(run: Run, name: str) -> Series:
  """A curve of `arrays/diagnosis` at both ends: by step, median over seeds."""
  found = _stored(run, name)
  width = max((values.shape[-1] for _, values in found), default=0)
  empty = np.zeros((0, width))
  medians = [_median(values) for _, values in found]
  steps = np.array([step for step, _ in found], int)
  return Series(steps, np.array(medians) if medians else empty)


def pooled(run: Run, name: str) -> list[tuple[int, Float[np.ndarray, "units"]]]:
  """(step, all seeds' values side by side) of `arrays/diagnosis`, at both ends."""
  return [(step, values.reshape(-1)) for step, values in _stored(run, name)]


def _stored(run: Run, name: str) -> list[tuple[int, np.ndarray]]:
  found = []
  for file in sorted((run.path / "arrays" / "diagnosis").glob("*.npz")):
    with np.load(file) as arrays:
      if name in arrays.files:
        found.append((int(file.stem), arrays[name].astype(float)))
  return found


def _median(values: Float[np.ndarray, "seeds time"]) -> Float[np.ndarray, "time"]:
  known = ~np.isnan(values).all(0)
  middle = np.full(values.shape[1], np.nan)
  middle[known] = np.nanmedian(values[:, known], axis=0)
  return middle


def _moment(entry: dict[str, Any] | None, seeds: int, gain: Values) -> Moment:
  unknown = np.full(max(seeds, 1), np.nan)
  if not entry:
    return Moment(gain, *(unknown,) * (len(Moment._fields) - 1))

  def part(name, *fields):
    own = entry.get(name)
    return [_values(own[field]) if own else unknown for field in fields]

  return Moment(
    _values(entry["gain"]),
    *part("signal", "share", "error"),
    *part("coherence", "coherence", "standard_error"),
    *part("memory", "follows", "stays"),
  )


def _values(entries: list[Any]) -> Values:
  return np.array([np.nan if entry is None else float(entry) for entry in entries])
