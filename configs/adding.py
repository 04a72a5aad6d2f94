"""The adding problem: the sum of two marked numbers, T = 200, LSTM.

  python -m experiments.train --config=configs/adding.py --workdir=runs/adding

The setting of Tallec and Ollivier 2018: hidden 128, chrono initialisation up to T,
batch 50, RMSprop 1e-3 with decay 0.9, no clipping. `--config.model.init.chrono=0`
is their comparison, a forget bias of 1. 5,000 steps. `:tiny` takes seconds.
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
    seeds=5,
    model=ModelConfig(cell="lstm", hidden=128, init=InitConfig(chrono=200)),
    task=TaskConfig(name="adding", length=200),
    optimizer=OptimizerConfig(name="rmsprop", learning_rate=1e-3, clip_bound=0.0),
    train=TrainConfig(steps=5000, batch=50, log_every=50, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=250),
  )
  return vary(config, variant)
