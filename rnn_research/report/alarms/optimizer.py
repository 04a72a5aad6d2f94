"""Alarms of the way from gradient to update."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import ENOUGH, Alarm, Evidence, median_of

# Relative: float32 arithmetic of a few thousand numbers stays far below.
ROUNDING = 1e-3
MATCH = 0.02
# Below this part of Adam's first step, most of the gradient would have to be zero.
LEAST = 0.05
UPHILL = -0.05
RMSPROP_DECAY = 0.9


def standing_still(evidence: Evidence) -> Alarm | None:
  """Updates of exactly zero, although there is a gradient."""
  updates, gradients = evidence.ledger("update_norm"), evidence.ledger("norm_after")
  asked = gradients > 0
  still = asked & (updates == 0)
  if still.sum() < max(ENOUGH, asked.sum() / 2):
    return None
  share = wording.percent(still.sum() / asked.sum(), 0)
  return Alarm(
    "parameters stand still",
    f"{share} of the steps move no parameter at all (|update| = 0), at a median"
    f" gradient norm of {wording.quantity(median_of(gradients[still]))}.",
    "look for a learning rate of 0, or an update that is computed and never applied",
  )


def clip_without_effect(evidence: Evidence) -> Alarm | None:
  """The norm behind the clip is above the bound."""
  bound = evidence.optimizer.get("clip_bound") or 0.0
  # Other clips bound other things than the norm of all leaves.
  if not bound or evidence.optimizer.get("clip", "norm") != "norm":
    return None
  after = evidence.ledger("norm_after")
  above = after > bound * (1 + ROUNDING)
  if not above.any():
    return None
  return Alarm(
    "clip without effect",
    f"{above.sum():,} of {np.isfinite(after).sum():,} steps have a gradient norm above"
    f" the bound of {bound:g} behind the clip, up to"
    f" {wording.quantity(float(np.nanmax(after)))}.",
    "clip the gradient that the optimizer receives, by its global norm",
  )


def step_size(evidence: Evidence) -> Alarm | None:
  """The first update isn't the one that the learning rate makes.

  Without momentum SGD moves by lr |g|; Adam's and RMSProp's first step moves every
  parameter with a gradient by lr and by lr / sqrt(1 - decay), whatever the gradient.
  """
  updates, gradients = evidence.ledger("update_norm"), evidence.ledger("norm_after")
  name = evidence.optimizer.get("name")
  rate = evidence.optimizer.get("learning_rate") or 0.0
  steps = evidence.run.ledger.steps
  # Behind a projection, an update is what is left of it.
  projected = bool(evidence.optimizer.get("singular_bound"))
  if not len(updates) or steps[0] != 1 or not rate or projected:
    return None
  first, size = median_of(updates[0]), evidence.diagnosis.get("parameters")
  if name == "sgd":
    expected, least = rate * median_of(gradients[0]), 1 - MATCH
  elif name in ("adam", "rmsprop") and size:
    expected = rate * np.sqrt(size)
    expected /= np.sqrt(1 - RMSPROP_DECAY) if name == "rmsprop" else 1
    least = LEAST
  else:
    return None
  ratio = first / expected if expected > 0 else np.nan
  # A first update of zero is another alarm's.
  if not ratio > 0 or least <= ratio <= 1 + MATCH:
    return None
  return Alarm(
    "step size",
    f"The first update has norm {wording.quantity(first)}, {ratio:.2g} times what"
    f" {name} at learning rate {rate:g} gives ({wording.quantity(expected)}).",
    "compare the learning rate that reaches the optimizer with the config's",
  )


def uphill(evidence: Evidence) -> Alarm | None:
  """Updates along the gradient, not against it."""
  if evidence.optimizer.get("singular_bound"):
    return None
  cosines = evidence.ledger("cosine")
  moved = evidence.ledger("update_norm") > 0
  cosines = np.where(moved, cosines, np.nan)
  known = np.isfinite(cosines)
  means = np.where(known, cosines, 0).sum(0) / np.maximum(known.sum(0), 1)
  wrong = (known.sum(0) >= ENOUGH) & (means < UPHILL)
  if not wrong.any():
    return None
  return Alarm(
    "uphill updates",
    f"{wording.number(means[wrong].mean())} is the mean cosine between update and"
    f" negative gradient in {wrong.sum()} of {wording.plural(len(wrong), 'seed')}:"
    " the loss is climbed.",
    "look at the sign of the update: parameters move by minus learning rate times"
    " gradient",
  )


def forgotten_state(evidence: Evidence) -> Alarm | None:
  """An adaptive rule whose every step is as large as its first.

  Adam's and RMSProp's first step is lr (or lr / sqrt(1 - decay)) in every parameter;
  later ones average over batches that disagree.
  """
  if evidence.optimizer.get("name") not in ("adam", "rmsprop"):
    return None
  updates = evidence.ledger("update_norm")
  if len(updates) < 2 * ENOUGH or evidence.run.ledger.steps[0] != 1:
    return None
  first = updates[0]
  ratios = updates[ENOUGH:] / np.where(first > 0, first, np.nan)
  middle = median_of(ratios)
  spread = median_of(np.abs(ratios - middle))
  if not (abs(middle - 1) < MATCH and spread < MATCH):
    return None
  return Alarm(
    "optimizer state lost",
    f"{middle:.3f} is the median ratio of an update's norm to that of the first one:"
    " every step is a first step.",
    "carry the optimizer's state from step to step; it is made anew somewhere",
  )
