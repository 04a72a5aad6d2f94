"""Chrono initialisation on the adding problem, T = 200 (Tallec and Ollivier 2018).

  python -m experiments.reproduce --config=configs/reproductions/chrono_adding.py \
    --workdir=reproductions/chrono_adding

Three LSTMs that differ in the bias of their gates: chrono up to T, forget bias 1,
forget bias 0. Time: 60 to 90 minutes on one core. Expected: chrono reaches a mean
squared error of 0.01 in half the updates of forget bias 0, or fewer.

Published: "Can recurrent neural networks warp time?", section 4 and figure 5: at
T = 750 chrono is 7 times faster than a forget bias of 1; T = 200 is shown without a
number. There: hidden 128, batch 50, RMSprop 1e-3. Here: hidden 64, batch 32, Adam
1e-3, no clipping, 8,000 updates, 10 seeds. `:tiny` takes seconds.
"""

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
from rnn_research.study import Arm, Plan

LENGTH = 200
ARMS = {
  "chrono": ("LSTM, chrono", InitConfig(chrono=LENGTH)),
  "forget1": ("LSTM, forget bias 1", InitConfig(forget_bias=1.0)),
  "forget0": ("LSTM, forget bias 0", InitConfig(forget_bias=0.0)),
}


def _config(init: InitConfig) -> Config:
  return Config(
    seeds=10,
    model=ModelConfig(cell="lstm", hidden=64, init=init),
    task=TaskConfig(name="adding", length=LENGTH),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=0.0),
    train=TrainConfig(steps=8000, batch=32, log_every=50, eval_every=100),
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
