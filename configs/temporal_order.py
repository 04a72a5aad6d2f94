"""Temporal order: which of two symbols came first, T = 60 steps, GRU.

  python -m experiments.train --config=configs/temporal_order.py --workdir=runs/order

Hidden 50, batch 32, Adam 1e-3, clip 1, 1,500 steps. `:tiny` shows the same in
seconds at T = 20.
"""

from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)


def get_config(variant: str = "") -> Config:
  """The study's setting, or `tiny`."""
  config = Config(
    seeds=10,
    model=ModelConfig(cell="gru", hidden=50),
    task=TaskConfig(name="temporal_order", length=60),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_norm=1.0),
    train=TrainConfig(steps=1500, batch=32, log_every=25, eval_every=100),
    diagnostics=DiagnosticsConfig(lag_every=50),
  )
  if variant == "tiny":
    config.seeds = 2
    config.model.hidden = 8
    config.task.length = 20
    config.train = TrainConfig(
      steps=20,
      batch=4,
      log_every=5,
      eval_every=10,
      eval_examples=500,
      test_examples=500,
      checkpoint_every=10,
    )
    config.diagnostics = DiagnosticsConfig(lag_every=10, lag_examples=4)
  elif variant:
    raise ValueError(f"no variant {variant!r}; there is tiny")
  return config
