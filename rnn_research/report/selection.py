"""Which arms a figure shows."""

from rnn_research.report.outcomes import outcome
from rnn_research.report.study import Arm, Study

ORDER = ("rnn", "gru", "lstm")


def with_runs(study: Study, *groups: str) -> list[Arm]:
  """Arms of the groups (all groups if none is named) that have a run."""
  return [
    arm
    for arm in study.arms
    if arm.run is not None and (not groups or arm.group in groups)
  ]


def families(arms: list[Arm]) -> list[list[Arm]]:
  """Arms that differ in the value of one knob only, ascending in the value.

  An arm without a knob is a family of its own.
  """
  groups: dict[tuple, list[Arm]] = {}
  for arm in arms:
    name = arm.name if arm.knob is None else ""
    key = (arm.group, arm.problem, arm.length, arm.cell, arm.knob, name)
    groups.setdefault(key, []).append(arm)
  return [
    sorted(family, key=lambda arm: arm.value or 0.0) for family in groups.values()
  ]


def family_of(arm: Arm, arms: list[Arm]) -> list[Arm]:
  """The family that an arm belongs to."""
  return next(family for family in families(arms) if arm in family)


def default_arm(family: list[Arm]) -> Arm:
  """The arm whose knob stands where it does by default: none, 1, else last."""
  return next((arm for arm in family if arm.value in (None, 1.0)), family[-1])


def best_arm(family: list[Arm], threshold: float) -> Arm:
  """The arm with most seeds solved at the end, the default's side on a tie."""
  default = default_arm(family)
  distances = {arm.name: _distance(arm, default) for arm in family}
  return min(
    family,
    key=lambda arm: (-_wins(arm, threshold), distances[arm.name]),
  )


def headline_arms(study: Study) -> list[Arm]:
  """One default arm per cell, and where a knob helps, the best arm beside it.

  Of the synthetic arms, those of the length that most cells share (the longest
  on a tie); without synthetic arms, whatever there is.
  """
  arms = with_runs(study, "synthetic") or with_runs(study, "digits") or with_runs(study)
  cells: dict[tuple, set[str]] = {}
  for arm in arms:
    cells.setdefault((arm.length or 0, arm.problem), set()).add(arm.cell)
  if not cells:
    return []
  length, problem = max(cells, key=lambda key: (len(cells[key]), key))
  arms = [a for a in arms if (a.length or 0, a.problem) == (length, problem)]
  shown: dict[str, Arm] = {}
  threshold = study.thresholds["solved_error"]
  for cell in sorted({arm.cell for arm in arms}, key=_rank):
    family = [arm for arm in arms if arm.cell == cell]
    for arm in (default_arm(family), best_arm(family, threshold)):
      shown[arm.name] = arm
  return list(shown.values())


def _rank(cell: str) -> tuple[int, str]:
  return (ORDER.index(cell) if cell in ORDER else len(ORDER), cell)


def _wins(arm: Arm, threshold: float) -> int:
  return outcome(arm.run, threshold).wins if arm.run else 0


def _distance(arm: Arm, default: Arm) -> float:
  if arm.value is None or default.value is None:
    return 0.0
  return abs(arm.value - default.value)
