"""Parity of T = 40 bits, read after the last one; tanh network.

  python -m experiments.train --config=configs/parity.py --workdir=runs/parity

`parity check` of Deletang et al. 2023 with their plain network: hidden 256, batch
128, Adam 1e-3, 10,000 steps, at the longest of their training lengths instead of a
mixture of 1 to 40. Every bit counts alike: a gradient that vanishes at any lag leaves
the answer a coin. `:tiny` takes seconds.
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
    model=ModelConfig(cell="rnn", hidden=256),
    task=TaskConfig(name="parity", length=40),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=10000, batch=128, log_every=50, eval_every=500),
    diagnostics=DiagnosticsConfig(lag_every=500),
  )
  return vary(config, variant)
