"""Delayed XOR: of two bits seen 10 and 20 steps ago, at every step; tanh network.

  python -m experiments.train --config=configs/delayed_xor.py --workdir=runs/xor

The setting of Engelken 2023 (gradient flossing): 80 tanh units with Gaussian
recurrent weights of gain 1, delay 10, batch 16, Adam 1e-3, clip 0.03; 4 delays to a
sequence in place of 300 steps, and no flossing before or during training. 3,000
steps. `:tiny` takes seconds.
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


def get_config(variant: str = "") -> Config:
  config = Config(
    seeds=10,
    model=ModelConfig(cell="rnn", hidden=80, init=InitConfig(recurrent="gaussian")),
    task=TaskConfig(name="delayed_xor", length=10),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=0.03),
    train=TrainConfig(steps=3000, batch=16, log_every=25, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )
  return vary(config, variant)
