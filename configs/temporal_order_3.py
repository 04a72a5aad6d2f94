"""Temporal order of three symbols: eight classes, T = 60 steps, LSTM.

  python -m experiments.train --config=configs/temporal_order_3.py --workdir=runs/order3

Experiment 6b of Hochreiter and Schmidhuber 1997 at a shorter length, with hidden 50
and clip 1 as Pascanu, Mikolov and Bengio 2013 ran it, and Adam 1e-3 for their plain
gradient descent. It shows which symbol is learnt last, and what the lag gain at each
of the three says before. `:tiny` takes seconds.
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
    model=ModelConfig(cell="lstm", hidden=50),
    task=TaskConfig(name="temporal_order_3", length=60),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=5000, batch=32, log_every=25, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )
  return vary(config, variant)
