"""What an alarm is, and what its rules read."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rnn_research.report.records import Run

ENOUGH = 20  # steps below which nothing is said of a habit


class Alarm(NamedTuple):
  """Something that only a broken trainer shows.

  Attributes:
    name: of the fault.
    sentence: what was seen, number first.
    remedy: where to look.
  """

  name: str
  sentence: str
  remedy: str


class Evidence(NamedTuple):
  """The records that the rules read.

  Attributes:
    run: the run.
    diagnosis: content of `diagnosis.json`, {} if there is none.
    thresholds: of the study.
  """

  run: Run
  diagnosis: dict[str, Any]
  thresholds: dict[str, float]

  @property
  def optimizer(self) -> dict[str, Any]:
    """The optimizer's part of the config."""
    return self.run.config.get("optimizer", {})

  def ledger(self, name: str) -> Float[np.ndarray, "steps seeds"]:
    """An entry of every step while the seed was alive, NaN after; empty if absent."""
    values = self.run.ledger.values
    if not {name, "loss", "norm_before"} <= set(values):
      return np.zeros((0, max(self.run.seeds, 1)))
    return np.where(alive(values["loss"], values["norm_before"]), values[name], np.nan)


def alive(
  losses: Float[np.ndarray, "steps seeds"], norms: Float[np.ndarray, "steps seeds"]
) -> Bool[np.ndarray, "steps seeds"]:
  """Steps before anything was not finite."""
  return np.logical_and.accumulate(np.isfinite(losses) & np.isfinite(norms), axis=0)


def median_of(values: Float[np.ndarray, "..."]) -> float:
  """Median of what is finite; NaN if nothing is."""
  finite = values[np.isfinite(values)]
  return float(np.median(finite)) if finite.size else float("nan")
