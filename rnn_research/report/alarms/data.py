"""Alarms of the data: what is trained on against what is held out."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import ENOUGH, Alarm, Evidence

EVALUATIONS = 3
GAP = 0.15  # of the chance loss
STANDARD_ERRORS = 5.0
AT_CHANCE = 0.9, 1.1  # of the chance loss: nothing learned
SIGNAL = 0.1
PREDICTED = 0.5  # of the chance loss
FELL = 0.1  # of what was predicted
SMALL_STEP = 0.05  # of the parameters' norm: where first order can be trusted


def other_problem(evidence: Evidence) -> Alarm | None:
  """Held-out loss far above the training loss, evaluation after evaluation.

  On a task whose sequences are drawn afresh there is nothing to overfit: both are
  estimates of one number. A data set can be overfitted, so there held-out loss has
  to be above chance, too.
  """
  run = evidence.run
  chance, held_out = run.chance_loss, run.get("eval/loss")
  losses, steps = evidence.ledger("loss"), run.ledger.steps
  fresh = bool((run.config.get("task") or {}).get("name"))
  # One before training, and then as many as are asked for.
  if not chance or len(held_out.steps) <= EVALUATIONS or len(losses) < ENOUGH:
    return None
  gaps, noise = [], []
  for before, at, value in zip(
    held_out.steps[-EVALUATIONS - 1 : -1],
    held_out.steps[-EVALUATIONS:],
    held_out.values[-EVALUATIONS:],
    strict=True,
  ):
    window = losses[(steps > before) & (steps <= at)]
    gaps.append(value - window.mean(0))
    noise.append(window.std(0) / np.sqrt(len(window)))
    if not fresh:
      gaps[-1] = np.where(value > chance, gaps[-1], np.nan)
  gap, error = np.array(gaps), np.array(noise)
  wrong = ((gap > GAP * chance) & (gap > STANDARD_ERRORS * error)).all(0)
  if not wrong.any():
    return None
  last = losses[-ENOUGH:, wrong]
  roughness = float(np.mean(np.abs(np.diff(last, axis=0))) / max(last.mean(), 1e-12))
  return Alarm(
    "held-out data are another problem",
    f"{wording.number(float(gap[-1, wrong].mean()), 3)} is how far the held-out loss"
    f" stands above the training loss in {wrong.sum()} of"
    f" {wording.plural(len(wrong), 'seed')}, evaluation after evaluation; from one"
    f" step to the next the training loss moves by {wording.percent(roughness, 1)}.",
    "see that every step draws a new batch, and that training and held-out batches"
    " are made alike",
  )


def nothing_to_learn(evidence: Evidence) -> Alarm | None:
  """The loss stays at chance though held-out batches agree on how to lower it.

  To first order a step lowers the loss by <update, -mean gradient>. Of the update,
  the part along its own batch's gradient g is |update| cos; and g points along the
  mean gradient by |mean| / |g| = sqrt(share).
  """
  run, signal = evidence.run, evidence.diagnosis.get("final", {}).get("signal")
  chance, losses = run.chance_loss, evidence.ledger("loss")
  if not signal or not chance or len(losses) < 4 * ENOUGH:
    return None
  share, error, gradient = (
    np.array([np.nan if x is None else x for x in signal[name]])
    for name in ("share", "error", "gradient")
  )
  half = len(losses) // 2
  steps = evidence.ledger("update_norm") * evidence.ledger("cosine")
  predicted = steps[half:].sum(0) * gradient * np.sqrt(np.maximum(share, 0))
  last = losses[-2 * ENOUGH :].mean(0)
  fell = losses[half : half + 2 * ENOUGH].mean(0) - last
  relative = np.median(evidence.ledger("update_relative")[half:], axis=0)
  wrong = (share > SIGNAL) & (share > STANDARD_ERRORS * error)
  wrong &= (predicted > PREDICTED * chance) & (fell < FELL * predicted)
  low, high = (level * chance for level in AT_CHANCE)
  wrong &= (last > low) & (last < high) & (relative < SMALL_STEP)
  if not wrong.any():
    return None
  return Alarm(
    "training data teach nothing",
    f"{wording.number(float(last[wrong].mean()), 3)} is the training loss, chance is"
    f" {chance:.3f}; held-out batches agree on {wording.percent(share[wrong].mean())}"
    f" of their gradient, by which the last {len(losses) - half:,} updates should have"
    f" lowered it by {wording.number(float(predicted[wrong].mean()), 1)}; it fell by"
    f" {wording.number(float(fell[wrong].mean()), 3)}.",
    "see that inputs and targets of a training batch belong together",
  )
