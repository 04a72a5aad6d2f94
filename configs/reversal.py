"""Reversal: an encoder reads 20 symbols, a decoder says them last to first; LSTM.

  python -m experiments.train --config=configs/reversal.py --workdir=runs/reversal

An encoder and a decoder as in Sutskever, Vinyals and Le 2014, joined by one carry, on
the reversal of Grefenstette et al. 2015. The carry holds all 60 bits of a source; its
last symbol is said one step after it was read, its first one 39 steps after. Hidden
128, batch 32, Adam 1e-3, clip 1, 5,000 steps. `:tiny` takes seconds.
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
    seeds=5,
    model=ModelConfig(cell="lstm", hidden=128),
    task=TaskConfig(name="reversal", length=20),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=5000, batch=32, log_every=50, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=250),
  )
  return vary(config, variant)
