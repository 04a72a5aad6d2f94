"""The tables of instability episodes: arm by arm, and the gravest one by one."""

import math

from rnn_research.report.accounts import account
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
ACCOUNT_HEADS = [
  "Arm",
  "Seed",
  "Steps",
  "Fate",
  "|g| asked",
  "Shrink",
  "|update|",
  "|update| / |θ|",
  "cos(update, -g)",
  "Loss after",
]
SHOWN = 12  # episodes
GRAVE = ("unrecovered", "cut", "late", "recovered")  # from the gravest on


def draw(study: Study) -> str:
  """One row per arm with a ledger, then one per grave episode."""
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
  counts = table(
    HEADS,
    rows,
    "Table #. Instability episodes of all seeds, by the rule under the figure."
    " Only an episode from which the loss never returns, or a value that is not"
    " finite, is an alarm.",
  )
  return counts + _accounts(study)


def _accounts(study: Study) -> str:
  """The gravest episodes of all arms; "" if there are none."""
  wait = int(study.thresholds["episode_recovery"])
  found = []
  for arm in with_runs(study):
    ledger = arm.run.ledger
    for seed, episodes in enumerate(run_episodes(arm.run, study.thresholds)):
      columns = {name: values[:, seed] for name, values in ledger.values.items()}
      for episode in episodes:
        row = account(episode, ledger.steps, columns, wait)
        found.append((arm, seed, episode, row))
  if not found:
    return ""
  found.sort(
    key=lambda f: (
      GRAVE.index(f[2].fate),
      -f[3].asked if f[3].asked == f[3].asked else 0,
    )
  )
  rows = [
    [
      arm_name(arm),
      str(seed),
      f"{episode.start}–{episode.end}",
      episode.fate,
      *(f"{value:.3g}" if math.isfinite(value) else "–" for value in row),
    ]
    for arm, seed, episode, row in found[:SHOWN]
  ]
  return table(
    ACCOUNT_HEADS,
    rows,
    f"Table #. The {len(rows)} gravest of {len(found)} episodes, by their fate and then"
    " by the largest gradient norm before clipping. Shrink and cosine are the least in"
    f" the episode, updates the largest; the loss is that of {wait} steps later, or the"
    " last finite one.",
  )
