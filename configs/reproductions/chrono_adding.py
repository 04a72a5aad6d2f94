"""Chrono initialisation on the adding problem, T = 200 (Tallec and Ollivier 2018).

  python -m experiments.reproduce --config=configs/reproductions/chrono_adding.py \
    --workdir=reproductions/chrono_adding

Three LSTMs that differ in the bias of their gates: chrono up to T, forget bias 1,
forget bias 0. Time: 20 to 40 minutes on one core. Expected: chrono reaches a mean
squared error of 0.01 in half the updates of forget bias 0, or fewer.

Published: "Can recurrent neural networks warp time?", section 4 and figure 5: at
T = 750 chrono is 7 times faster than a forget bias of 1; T = 200 is shown without a
number. There: hidden 128, batch 50, RMSprop 1e-3. Here: hidden 64, batch 32, Adam
1e-3, no clipping, at most 8,000 updates, 5 seeds. An arm ends when all of its seeds
have had fewer than 1% of sequences off by more than 0.2 in three evaluations in a row.
`:tiny` takes seconds.
"""

import numpy as np

from configs.variants import vary
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  InitConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.report.reproduction import Finding, finished, in_words, steps_below
from rnn_research.report.study import Study
from rnn_research.report.survival import logrank_p, median_with_interval
from rnn_research.study import Arm, Plan

SOURCE = "Tallec and Ollivier 2018, section 4"
SOLVED_LOSS = 0.01
CHANCE = 1 / 6
LENGTH = 200
ARMS = {
  "chrono": ("LSTM, chrono", InitConfig(chrono=LENGTH)),
  "forget1": ("LSTM, forget bias 1", InitConfig(forget_bias=1.0)),
  "forget0": ("LSTM, forget bias 0", InitConfig(forget_bias=0.0)),
}


def _config(init: InitConfig) -> Config:
  return Config(
    seeds=5,
    model=ModelConfig(cell="lstm", hidden=64, init=init),
    task=TaskConfig(name="adding", length=LENGTH),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=0.0),
    train=TrainConfig(
      steps=8000, batch=32, log_every=50, eval_every=100, stop_when_solved=3
    ),
    diagnostics=DiagnosticsConfig(lag_every=500),
  )


def get_plan(variant: str = "") -> Plan:
  arms = [
    Arm(name, label, "synthetic", None, None, vary(_config(init), variant))
    for name, (label, init) in ARMS.items()
  ]
  return Plan(
    title="Chrono initialisation on the adding problem",
    question="Do gates that start at the task's time scales learn it sooner?",
    arms=arms,
    budget={
      "steps": 8000,
      "batch": 32,
      "optimizer": "adam",
      "learning_rate": 1e-3,
      "clip_bound": 0.0,
      "tuning": "none: the published learning rate, with Adam for RMSprop",
    },
    comparisons=[
      {
        "name": f"chrono against {other}",
        "arms": ["chrono", other],
        "measure": "solved",
        "expect": "chrono solves more",
      }
      for other in ("forget1", "forget0")
    ],
    baselines=["always 1: a mean squared error of 1/6"],
  )


def judge(study: Study) -> list[Finding]:
  """Steps to a mean squared error of 0.01, and the plateau before it."""
  findings = [_plateau(study)]
  for name, (label, _) in ARMS.items():
    runs = finished(study, name)
    findings.append(
      Finding(
        f"{label}: steps to a mean squared error of {SOLVED_LOSS}",
        "a curve, no number at T = 200",
        SOURCE,
        in_words(steps_below(runs[0], SOLVED_LOSS)) if runs else "not finished",
      )
    )
  published = {"forget0": "not shown", "forget1": "7 times sooner at T = 750"}
  criteria = {"forget0": "log-rank p < .05, and a median of half the steps or fewer"}
  for other in ("forget0", "forget1"):
    what = f"chrono against {ARMS[other][0]}"
    obtained, passed = _against(study, other)
    criterion = criteria.get(other, "")
    findings.append(
      Finding(
        what,
        published[other],
        SOURCE,
        obtained,
        criterion,
        passed if criterion else None,
      )
    )
  return findings


def _against(study: Study, other: str) -> tuple[str, bool | None]:
  runs = finished(study, "chrono", other)
  if runs is None:
    return "not finished", None
  steps = [steps_below(run, SOLVED_LOSS) for run in runs]
  p = logrank_p(*steps, ends=tuple(run.steps for run in runs))
  ours, theirs = (median_with_interval(found)[0] for found in steps)
  sooner = theirs / ours if np.isfinite(ours) else np.nan
  passed = bool(p < 0.05 and ours <= theirs / 2)
  return f"{sooner:.1f} times sooner by the medians, log-rank p = {p:.2g}", passed


def _plateau(study: Study) -> Finding:
  """Where forget bias 0 stands while it has learned nothing but the mean."""
  runs = finished(study, "forget0")
  obtained, passed = "not finished", None
  if runs:
    losses = runs[0].get("eval/loss")
    early = losses.values[(losses.steps >= 200) & (losses.steps <= 500)]
    obtained = "no evaluation there"
    if early.size:
      level = float(np.median(early))
      passed = abs(level / CHANCE - 1) < 0.05
      obtained = f"{level:.4f}, median over {early.shape[1]} seeds, steps 200 to 500"
  return Finding(
    "plateau of forget bias 0",
    f"{CHANCE:.4f}, the variance of the sum",
    SOURCE,
    obtained,
    "within 5%",
    passed,
  )
