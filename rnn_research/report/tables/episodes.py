"""The table of instability episodes, arm by arm."""

from rnn_research.report.episodes import count_episodes, run_episodes
from rnn_research.report.selection import with_runs
from rnn_research.report.study import Study
from rnn_research.report.tables.markup import arm_name, problem, table

HEADS = [
  "Arm",
  "Problem",
  "Episodes",
  "Recovered",
  "Late",
  "Unrecovered",
  "Cut off by the end",
  "Seeds with an unrecovered one",
  "Diverged seeds",
]


def draw(study: Study) -> str:
  """One row per arm with a ledger."""
  rows = []
  for arm in with_runs(study):
    if "norm_before" not in arm.run.ledger.values:
      continue
    tally = count_episodes(run_episodes(arm.run, study.thresholds))
    lost = f"<b class='alarm'>{tally.unrecovered}</b>"
    rows.append(
      [
        arm_name(arm),
        problem(arm),
        str(tally.total),
        str(tally.recovered),
        str(tally.late),
        lost if tally.unrecovered else "0",
        str(tally.cut),
        f"{tally.seeds} of {arm.run.seeds}",
        str(len(arm.run.diverged)),
      ]
    )
  if not rows:
    return ""
  return table(
    HEADS,
    rows,
    "Table #. Instability episodes of all seeds, by the rule under the figure."
    " Only an episode from which the loss never returns, or a value that is not"
    " finite, is an alarm.",
  )
