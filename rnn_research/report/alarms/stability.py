"""Alarms of the loss: episodes without end, and values that are not finite."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import ENOUGH, Alarm, Evidence, median_of
from rnn_research.report.episodes import count_episodes, run_episodes

WORSE = 1.3  # times the chance loss, and times the loss of the start


def unstable(evidence: Evidence) -> Alarm | None:
  """An episode that the loss never came back from, or a loss worse than guessing."""
  run = evidence.run
  tally = count_episodes(run_episodes(run, evidence.thresholds))
  # What ends a diverged seed's series is said once, as what it is.
  lost = tally.unrecovered - len(run.diverged)
  losses, chance = evidence.ledger("loss"), run.chance_loss
  relative = evidence.ledger("update_relative")
  worse = np.zeros(max(run.seeds, 1), bool)
  if chance and len(losses) >= 4 * ENOUGH:
    # Many start above chance: a slow learner is no unstable one.
    level = np.maximum(losses[0], chance)
    worse = np.median(losses[-2 * ENOUGH :], axis=0) > WORSE * level
  if lost <= 0 and not worse.any():
    return None
  bound = evidence.optimizer.get("clip_bound") or 0.0
  clip = f"clipped at {bound:g}" if bound else "not clipped"
  parts = []
  if lost > 0:
    parts.append(f"{wording.plural(lost, 'episode')} never recovered from")
  if worse.any():
    level = float(np.median(losses[-2 * ENOUGH :, worse]))
    parts.append(
      f"{worse.sum()} of {wording.plural(run.seeds, 'seed')} end at a loss of"
      f" {wording.quantity(level)}, above chance ({chance:.3f})"
    )
  return Alarm(
    "instability without recovery",
    f"{'; '.join(parts)}. A step moves the parameters by"
    f" {wording.percent(median_of(relative), 2)} of their norm (median), the gradient"
    f" is {clip}.",
    "lower the learning rate, or clip the gradient",
  )


def not_finite(evidence: Evidence) -> Alarm | None:
  """A seed that stopped, and the first time step of either pass that did it."""
  run = evidence.run
  if not run.diverged:
    return None
  causes = []
  for seed in run.status.get("seeds", []):
    if seed.get("diverged_at") is None:
      continue
    layers = seed.get("first_nonfinite") or {}
    places = [
      f"time step {at} of the {'forward' if way == 'forward' else 'backward'} pass of"
      f" {layer}"
      for layer, steps in layers.items()
      for way, at in steps.items()
      if at >= 0
    ]
    where = f", first at {places[0]}" if places else ", every state being finite"
    causes.append(f"seed {seed['seed']} at step {seed['diverged_at']:,}{where}")
  return Alarm(
    "not finite",
    f"{len(causes)} of {wording.plural(run.seeds, 'seed')} stopped because a value was"
    f" not finite: {'; '.join(causes)}.",
    "look at the batch of that step; if its inputs are finite, at the steps before",
  )
