"""The table of the verdict page: every seed's numbers."""

import numpy as np

from rnn_research.report import wording
from rnn_research.report.episodes import run_episodes
from rnn_research.report.outcomes import last_error, outcome
from rnn_research.report.tables.markup import table
from rnn_research.report.verdict.records import Diagnosis

HEADS = [
  "Seed",
  "Error at end",
  "Solved",
  "Gain at start",
  "Largest",
  "At end",
  "Coherence",
  "Follows swap",
  "Episodes",
  "Never recovered",
]


def draw(found: Diagnosis) -> str:
  """One row per seed."""
  run = found.run
  threshold = found.study.thresholds["solved_error"]
  solved, errors = outcome(run, threshold).solved, last_error(run)
  episodes = run_episodes(run, found.study.thresholds) or ([],) * run.seeds
  first = int(run.config.get("seed", 0))
  rows = []
  for index in range(run.seeds):
    diverged = run.diverged.get(first + index)
    end = "yes" if solved[index] else "no"
    own = episodes[index]
    rows.append(
      [
        str(first + index),
        wording.percent(float(errors[index]), 1),
        end if diverged is None else f"<em>diverged at {diverged:,}</em>",
        *(
          "nothing left"
          if np.isneginf(values[index])
          else wording.number(float(values[index]))
          for values in (found.initial.gain, found.largest, found.final.gain)
        ),
        _coherence(found.final.coherence[index]),
        wording.percent(float(found.final.follows[index]))
        if np.isfinite(found.final.follows[index])
        else "–",
        str(len(own)),
        str(sum(episode.fate == "unrecovered" for episode in own)),
      ]
    )
  return table(
    HEADS,
    rows,
    "Every seed. Solved: held-out error below"
    f" {wording.percent(threshold)} at the last step. Gain: log10 at"
    f" {found.gain.place}, median example. Coherence and swap: at the end.",
  )


def _coherence(value: float) -> str:
  return wording.small(float(value)) if np.isfinite(value) else "–"
