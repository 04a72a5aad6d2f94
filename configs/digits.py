"""Handwritten digits read pixel by pixel, 64 steps, GRU.

  python -m rnn_research.data.prepare --dataset=digits
  python -m experiments.train --config=configs/digits.py --workdir=runs/digits

The sequential image classification of Le, Jaitly and Hinton 2015 on the 8 x 8 images
of Alpaydin and Kaynak 1998: hidden 64, batch 50, Adam 1e-3, clip 1, 2,000 steps (70
epochs), 5 seeds. Real data, where the useful pixels have no single lag. `:tiny` takes
seconds.
"""

from configs.variants import vary
from rnn_research.config import (
  Config,
  DataConfig,
  DiagnosticsConfig,
  ModelConfig,
  OptimizerConfig,
  TrainConfig,
)


def get_config(variant: str = "") -> Config:
  config = Config(
    seeds=5,
    model=ModelConfig(cell="gru", hidden=64),
    data=DataConfig(name="digits"),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=2000, batch=50, log_every=25, eval_every=100),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )
  return vary(config, variant)
