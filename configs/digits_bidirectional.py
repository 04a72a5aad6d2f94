"""Digits read pixel by pixel from both ends, two layers, LSTM.

  python -m rnn_research.data.prepare --dataset=digits
  python -m experiments.train --config=configs/digits_bidirectional.py --workdir=both

The problem of `digits` with what a practitioner adds: both directions (Graves and
Schmidhuber 2005), two layers with dropout 0.2 between them (Zaremba, Sutskever and
Vinyals 2014), layer norm (Ba, Kiros and Hinton 2016), and the mean over time in place
of the last state, which shortens the gradient's way to every pixel. `:tiny` takes
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
    model=ModelConfig(
      cell="lstm",
      hidden=64,
      layers=2,
      bidirectional=True,
      layer_norm=True,
      dropout=0.2,
      pooling="mean",
    ),
    data=DataConfig(name="digits"),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=2000, batch=50, log_every=25, eval_every=100),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )
  return vary(config, variant)
