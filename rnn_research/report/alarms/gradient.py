"""Alarms of the gradient: leaves that it doesn't reach, steps that it doesn't."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import Alarm, Evidence
from rnn_research.report.records import Series

# log10 gain above which float32 holds an adjoint that isn't zero, with room to spare
REPRESENTABLE = -20.0
INPUT_KERNEL = "input/kernel"


def _always_zero(series: Series) -> bool:
  values = series.values[np.isfinite(series.values)]
  return bool(values.size) and bool((values == 0).all())


def _leaves(evidence: Evidence, prefix: str) -> list[str]:
  """Leaves whose series of that kind is exactly zero wherever it is known."""
  names = [n for n in evidence.run.series if n.startswith(f"{prefix}/")]
  zero = [n for n in names if _always_zero(evidence.run.get(n))]
  return [n.removeprefix(f"{prefix}/") for n in zero] if len(zero) < len(names) else []


def inputs_without_gradient(evidence: Evidence) -> Alarm | None:
  """An input kernel without gradient: what it is multiplied with is zero."""
  found = [n for n in _leaves(evidence, "grads") if n.endswith(INPUT_KERNEL)]
  if not found:
    return None
  return Alarm(
    "inputs are blank",
    f"|gradient| = 0 at every logged step for {wording.listing(found)}, while other"
    " leaves receive one.",
    "look at a batch: inputs that are all zero, or cut off from the network, do this",
  )


def leaf_without_gradient(evidence: Evidence) -> Alarm | None:
  """A leaf that the loss doesn't depend on, as far as the gradient knows."""
  found = [n for n in _leaves(evidence, "grads") if not n.endswith(INPUT_KERNEL)]
  if not found:
    return None
  return Alarm(
    "no gradient",
    f"|gradient| = 0 at every logged step for {wording.listing(found)}, while other"
    " leaves receive one.",
    "look for a stop_gradient, or for a copy of the parameter that is used instead",
  )


def leaf_held(evidence: Evidence) -> Alarm | None:
  """A leaf with a gradient that never moves."""
  without = set(_leaves(evidence, "grads"))
  found = [n for n in _leaves(evidence, "updates") if n not in without]
  if not found:
    return None
  return Alarm(
    "parameter held",
    f"|update| = 0 at every logged step for {wording.listing(found)}, though its"
    " gradient is not zero.",
    "look for a mask of the optimizer, or a leaf left out of the update",
  )


def cut_gradient(evidence: Evidence) -> Alarm | None:
  """In training nothing arrives where an inspection finds a gradient.

  Only where the loss stands at the last step: elsewhere every adjoint has a part of
  its own step's loss.
  """
  run = evidence.run
  problem = run.status.get("problem") or {}
  truncated = (run.config.get("model") or {}).get("truncate_every")
  adjoint = run.adjoint.values.get(f"{run.layer}/log10_median")
  marks = run.adjoint.values.get(f"{run.layer}/nonfinite")
  gain = run.lag.values.get(f"{run.layer}/loss_median")
  unusable = adjoint is None or gain is None or problem.get("form") != "many_to_one"
  if unusable or truncated:
    return None
  by_lag = adjoint[..., ::-1]  # (files, seeds, lag)
  lags = min(by_lag.shape[-1], gain.shape[-1])
  # The inspection before each logged step.
  index = np.searchsorted(run.lag.steps, run.adjoint.steps, side="right") - 1
  known = index >= 0
  if marks is not None:
    known &= ~(marks > 0).any((1, 2))
  by_lag, index = by_lag[known, :, :lags], index[known]
  arrives = np.isfinite(by_lag)
  there = gain[index, :, :lags] + by_lag[..., :1] > REPRESENTABLE
  missing = there & ~arrives
  if not missing.size or not missing.any((0, 1))[1:].any():
    return None
  always = missing.all((0, 1))
  if not always.any():
    return None
  reach = int(np.argmax(always))
  found = float(np.nanmedian(gain[index, :, reach]))
  return Alarm(
    "gradient cut",
    f"0 of the gradient arrives {reach} steps back and beyond in training, where an"
    f" inspection of the same network finds {wording.portion(found)} of it.",
    "look for a truncation, or a carry detached between steps",
  )
