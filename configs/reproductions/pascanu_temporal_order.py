"""Clipping on the temporal order problem (Pascanu, Mikolov and Bengio 2013).

  python -m experiments.reproduce \
    --config=configs/reproductions/pascanu_temporal_order.py \
    --workdir=reproductions/pascanu

A tanh network trained by plain SGD with and without a clip on the gradient's norm, at
L = 20 and L = 50. A seed has succeeded at the first evaluation with fewer than 1% of
10,000 fresh sequences wrong; a run ends when all its seeds have.

Published: "On the difficulty of training recurrent neural networks", section 4.1 and
figure 7 (rates are read off a plot, no table), and the log of the authors' program:
a plateau at ln 4 with 75% wrong, solved at 336,000 updates with a spectral radius of
1.24. As there: 50 units, W ~ N(0, 0.1) (a standard deviation), zero biases, SGD 0.01,
batch 20, clip 1. Not as there: at most 200,000 updates in place of 5 million; output
weights of standard deviation 1/sqrt(50) = 0.14; input weights cut at two standard
deviations. `:tiny` takes seconds.
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

LENGTHS = (20, 50)
STEPS = 200_000
SYMBOLS = 6
CLIPS = {"none": ("no clip", 0.0), "clip": ("clip 1", 1.0)}


def _config(length: int, clip: float) -> Config:
  spread = 0.1
  # An input scale multiplies entries of variance 1 / inputs.
  init = InitConfig(recurrent="normal", gain=spread, input_scale=spread * SYMBOLS**0.5)
  return Config(
    seeds=5,
    model=ModelConfig(cell="rnn", hidden=50, init=init),
    task=TaskConfig(name="temporal_order", length=length),
    optimizer=OptimizerConfig(name="sgd", learning_rate=0.01, clip_bound=clip),
    train=TrainConfig(
      steps=STEPS,
      batch=20,
      log_every=500,
      eval_every=500,
      eval_examples=10_000,
      checkpoint_every=10_000,
      stop_when_solved=1,
    ),
    diagnostics=DiagnosticsConfig(lag_every=5000),
  )


def get_plan(variant: str = "") -> Plan:
  arms, comparisons = [], []
  for length in LENGTHS:
    for name, (label, clip) in CLIPS.items():
      config = vary(_config(length, clip), variant)
      label = f"tanh RNN, L = {length}, {label}"
      arms.append(Arm(f"{name}_L{length}", label, "synthetic", None, None, config))
    comparisons.append(
      {
        "name": f"clip against none, L = {length}",
        "arms": [f"clip_L{length}", f"none_L{length}"],
        "measure": "solved",
        "expect": "the clip solves more",
      }
    )
  return Plan(
    title="Clipping on the temporal order problem",
    question="Does a clip on the gradient's norm let plain SGD learn the order?",
    arms=arms,
    budget={
      "steps": STEPS,
      "batch": 20,
      "optimizer": "sgd",
      "learning_rate": 0.01,
      "tuning": "none: the published setting",
    },
    comparisons=comparisons,
    baselines=["chance: ln 4 nats, three of four wrong"],
  )
