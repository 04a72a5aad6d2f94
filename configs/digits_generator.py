"""Draw a digit pixel by pixel from its label alone, 64 steps, LSTM.

  python -m rnn_research.data.prepare --dataset=digits
  python -m experiments.train --config=configs/digits_generator.py --workdir=runs/draw

One to many: the label acts through the initial carry only, as the image does in Xu et
al. 2015, so what a late pixel needs of it has to be kept. Trained on the true pixel
before each one. Hidden 64, batch 50, Adam 1e-3, clip 1, 2,000 steps. `:tiny` takes
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
    model=ModelConfig(cell="lstm", hidden=64),
    data=DataConfig(name="digits", form="one_to_many"),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(steps=2000, batch=50, log_every=25, eval_every=100),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )
  return vary(config, variant)
