"""Is the trainer broken? Rules that healthy runs never meet, solved or not.

No rule looks at a norm alone: gradients that leap and come back are in every healthy
run. Each compares two records that must agree, or an outcome with what led to it.
"""

from rnn_research.report.alarms import data, gradient, optimizer, stability
from rnn_research.report.alarms.alarm import Alarm, Evidence

__all__ = ["RULES", "Alarm", "Evidence", "find_alarms"]

# Causes before their consequences: the first one found names the fault.
RULES = (
  optimizer.standing_still,
  optimizer.uphill,
  optimizer.clip_without_effect,
  optimizer.step_size,
  optimizer.forgotten_state,
  gradient.inputs_without_gradient,
  gradient.leaf_without_gradient,
  gradient.leaf_held,
  gradient.cut_gradient,
  stability.not_finite,
  stability.unstable,
  data.other_problem,
)


def find_alarms(evidence: Evidence) -> list[Alarm]:
  """Every alarm of a run, the likeliest cause first; [] for a healthy one."""
  return [alarm for rule in RULES if (alarm := rule(evidence)) is not None]
