"""Temporal order: which of two symbols came first, T = 60 steps, GRU.

  python -m experiments.train --config=configs/temporal_order.py --workdir=runs/order

The task of Pascanu, Mikolov and Bengio 2013 with a gated cell: hidden 50 as there,
batch 32, Adam 1e-3, clip 1, 1,500 steps, and 10 seeds because one says little.
`:tiny` shows the same in seconds at T = 20.
"""

from configs.variants import vary
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)


def get_config(variant: str = "") -> Config:
  config = Config(
    seeds=10,
    model=ModelConfig(cell="gru", hidden=50),
    task=TaskConfig(name="temporal_order", length=60),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=1500, batch=32, log_every=25, eval_every=100),
    diagnostics=DiagnosticsConfig(lag_every=50),
  )
  return vary(config, variant)
