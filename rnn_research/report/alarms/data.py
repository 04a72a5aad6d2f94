"""Alarms of the data: what is trained on against what is held out."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import ENOUGH, Alarm, Evidence

EVALUATIONS = 3
GAP = 0.15  # of the chance loss
STANDARD_ERRORS = 5.0


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
