"""Noiseless memorisation: five bits, a wait of T = 50 steps, the same five bits.

  python -m experiments.train --config=configs/memorisation.py --workdir=runs/bits

The 5-bit problem of Martens and Sutskever 2011 as Pascanu, Mikolov and Bengio 2013
ran it: a tanh network of 50 units with clipping at 1 and no gate that could hold a
bit. Orthogonal recurrent weights and Adam 1e-3 take the place of their sparse
initialisation and plain gradient descent. `:tiny` takes seconds.
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
    model=ModelConfig(cell="rnn", hidden=50),
    task=TaskConfig(name="memorisation", length=50),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=5000, batch=32, log_every=50, eval_every=250),
    diagnostics=DiagnosticsConfig(lag_every=250),
  )
  return vary(config, variant)
