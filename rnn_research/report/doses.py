"""Dose and response: settings of one cure, the number it should move, the outcome.

A study declares its cures in the protocol: the arms from the smallest dose to the
largest, a series of the records, where on it to look, and where it should go. Arms are
paired by seed: a seed draws the same data and, where shapes agree, the same weights.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from rnn_research.report.outcomes import Outcome, outcome
from rnn_research.report.records import Run, Series
from rnn_research.report.statistics import Interval, mean_interval
from rnn_research.report.study import Arm, Study

WORDS = {
  "up": "larger",
  "down": "smaller",
  "zero": "nearer to 0",
  "one": "nearer to 1",
}


class Dose(NamedTuple):
  """One setting of a cure.

  Attributes:
    label: of the setting.
    number: what should move, one value a seed; NaN where it isn't on record.
    outcome: of the task.
  """

  label: str
  number: Float[np.ndarray, "seeds"]
  outcome: Outcome


class Response(NamedTuple):
  """A cure over its settings.

  Attributes:
    name: of the cure.
    paper: where it is from.
    knob: what is turned.
    measure: the number, in words.
    toward: a key of `WORDS`.
    doses: from the smallest to the largest.
    change: of the number's distance to where it should go, largest dose minus
      smallest, paired by seed; negative is as expected.
    p: of a sign-flip permutation of those differences, two-sided.
    arms: behind the doses.
  """

  name: str
  paper: str
  knob: str
  measure: str
  toward: str
  doses: tuple[Dose, ...]
  change: Interval
  p: float
  arms: tuple[Arm, ...]

  @property
  def moved(self) -> bool | None:
    """Whether the number went where it should; None where the interval holds 0."""
    if not self.change.low <= self.change.high:
      return None
    if self.change.high < 0:
      return True
    return False if self.change.low > 0 else None


def responses(study: Study) -> list[Response]:
  """Every declared cure whose arms have runs, in the protocol's order."""
  found = []
  for entry in study.protocol.get("doses", []):
    arms = [study.find(name) for name in entry["arms"]]
    if any(arm is None or arm.run is None for arm in arms):
      continue
    found.append(_response(entry, tuple(arms), study.thresholds["solved_error"]))
  return found


def _response(entry, arms: tuple[Arm, ...], threshold: float) -> Response:
  doses = tuple(
    Dose(label, _number(arm.run, entry), outcome(arm.run, threshold))
    for label, arm in zip(entry["settings"], arms, strict=True)
  )
  far = [_distance(dose.number, entry["toward"]) for dose in doses]
  difference = far[-1] - far[0]
  difference = difference[np.isfinite(difference)]
  return Response(
    name=entry["name"],
    paper=entry["paper"],
    knob=entry["knob"],
    measure=entry["measure"],
    toward=entry["toward"],
    doses=doses,
    change=mean_interval(difference),
    p=_sign_flips(difference),
    arms=arms,
  )


def _number(run: Run, entry) -> Float[np.ndarray, "seeds"]:
  series = run.get(entry["series"].replace("LAYER", run.layer))
  if not len(series.steps):
    return np.full(run.seeds, np.nan)
  return _at(series, entry["at"])


def _at(series: Series, place: str) -> Float[np.ndarray, "seeds"]:
  if place == "start":
    return series.values[0]
  if place == "end":
    return series.values[-1]
  return np.nanmean(series.values[series.steps > 0], axis=0)


def _distance(number: Float[np.ndarray, "seeds"], toward: str):
  match toward:
    case "up":
      return -number
    case "down":
      return number
    case "zero":
      return np.abs(number)
  return np.abs(number - 1)


def _sign_flips(differences: Float[np.ndarray, "seeds"]) -> float:
  """Exact for ten pairs; no value for fewer than two."""
  if len(differences) < 2:
    return float("nan")
  if not differences.any():
    return 1.0
  test = stats.permutation_test(
    (differences,), np.mean, permutation_type="samples", n_resamples=5000, rng=0
  )
  return float(test.pvalue)
