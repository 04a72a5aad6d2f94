"""The multiplication problem: the product of two marked numbers, T = 100, GRU.

  python -m experiments.train --config=configs/multiplication.py --workdir=runs/product

Experiment 5 of Hochreiter and Schmidhuber 1997, judged as by Pascanu, Mikolov and
Bengio 2013, whose hidden 50 and clip 1 are used; Adam 1e-3 takes the place of their
plain gradient descent. Beside `adding` it tells whether the storing or the
arithmetic is hard. `:tiny` takes seconds.
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
    model=ModelConfig(cell="gru", hidden=50),
    task=TaskConfig(name="multiplication", length=100),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=5000, batch=32, log_every=50, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=250),
  )
  return vary(config, variant)
