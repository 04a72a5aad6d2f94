"""Alarms of the loss: episodes without end, and values that are not finite."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.alarms.alarm import ENOUGH, Alarm, Evidence, median_of
from rnn_research.report.episodes import count_episodes, run_episodes

WORSE = 1.3  # times the chance loss, and times the loss of the start
ENORMOUS = 0.3  # of the parameters' norm, in one step
AT_CHANCE = 0.95  # of the chance loss


def unstable(evidence: Evidence) -> Alarm | None:
  """An outcome that instability explains, never a leap alone.

  An episode that the loss never came back from; a loss that ends above guessing and
  above where it began; or one that ends at guessing after a step that moved the
  parameters by a good part of their norm.
  """
  run = evidence.run
  losses, chance = evidence.ledger("loss"), run.chance_loss
  relative = evidence.ledger("update_relative")
  parts = []
  tally = count_episodes(run_episodes(run, evidence.thresholds))
  # What ends a diverged seed's series is said once, as what it is.
  lost = tally.unrecovered - len(run.diverged)
  if lost > 0:
    parts.append(f"{wording.plural(lost, 'episode')} never recovered from")
  if chance and len(losses) >= 4 * ENOUGH:
    end = np.median(losses[-2 * ENOUGH :], axis=0)
    # Many start above chance: a slow learner is no unstable one.
    worse = end > WORSE * np.maximum(losses[0], chance)
    largest = np.where(np.isnan(relative), 0, relative).max(0)
    thrown = (largest > ENORMOUS) & (end > AT_CHANCE * chance) & ~worse
    for which, how in ((worse, "above"), (thrown, "no better than")):
      if which.any():
        parts.append(
          f"{which.sum()} of {wording.plural(run.seeds, 'seed')} end at a loss of"
          f" {wording.quantity(float(end[which].mean()))}, {how} chance ({chance:.3f}),"
          f" after a step of {wording.quantity(float(largest[which].max()))} times the"
          " parameters' norm"
        )
  if not parts:
    return None
  bound = evidence.optimizer.get("clip_bound") or 0.0
  clip = f"clipped at {bound:g}" if bound else "not clipped"
  return Alarm(
    "instability without recovery",
    f"{'; '.join(parts)}. The median step moves the parameters by"
    f" {wording.percent(median_of(relative), 2)} of their norm; the gradient is"
    f" {clip}.",
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
    found = seed.get("first_nonfinite") or {}
    where = ""
    if found.get("cause"):
      where = f", first in the {found['cause']}"
      where += f" of {found['layer']}" if found.get("layer") else ""
      where += "" if found.get("time") is None else f" at time step {found['time']}"
    causes.append(f"seed {seed['seed']} at step {seed['diverged_at']:,}{where}")
  return Alarm(
    "not finite",
    f"{len(causes)} of {wording.plural(run.seeds, 'seed')} stopped because a value was"
    f" not finite: {'; '.join(causes)}.",
    "look at the batch of that step; if its inputs are finite, at the steps before",
  )
