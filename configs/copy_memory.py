"""Copy memory: ten symbols, a wait of T = 100 steps, the same ten symbols; LSTM.

  python -m experiments.train --config=configs/copy_memory.py --workdir=runs/copy

The task of Arjovsky, Shah and Bengio 2016 at their shortest wait, in the setting of
Tallec and Ollivier 2018: hidden 128, chrono initialisation up to 3T / 2, batch 50,
RMSprop 1e-3 with decay 0.9, no clipping. Without the chrono initialisation
(`--config.model.init.chrono=0`) theirs stayed on the plateau 10 ln 8 / (T + 20) of a
network that remembers nothing, at waits of 500 and more. 5,000 steps. `:tiny` takes
seconds.
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
    model=ModelConfig(cell="lstm", hidden=128, init=InitConfig(chrono=150)),
    task=TaskConfig(name="copy_memory", length=100),
    optimizer=OptimizerConfig(name="rmsprop", learning_rate=1e-3, clip_bound=0.0),
    train=TrainConfig(steps=5000, batch=50, log_every=50, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=250),
  )
  return vary(config, variant)
