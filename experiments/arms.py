"""What studies of arms share: their flags, and the setting of their cells."""

import dataclasses

from absl import flags

from experiments import flag_values
from rnn_research.config import Config, DiagnosticsConfig, TrainConfig

TINY = flags.DEFINE_bool("tiny", False, "Every part, much too small to mean anything.")
TASK = flags.DEFINE_string("task", "temporal_order", "Synthetic task.")
LENGTHS = flags.DEFINE_list("lengths", ["30", "60"], "Task lengths, ascending.")
flag_values.numbers("lengths", int, least=1)
SEEDS = flags.DEFINE_integer("seeds", 10, "Seeds of a synthetic arm.", lower_bound=1)
STEPS = flags.DEFINE_integer(
  "steps", None, "Updates of a synthetic arm; none is the study's own.", lower_bound=0
)
# From pilot runs on seeds that are not reported; BUILD_NOTES.md says which.
LEARNING_RATES = {"rnn": 1e-3, "gru": 2e-3, "lstm": 2e-3}
UNTUNED = 1e-3
NAMES = {"rnn": "tanh RNN", "gru": "GRU", "lstm": "LSTM"}


def lengths() -> list[int]:
  """Of the flag."""
  return [int(length) for length in LENGTHS.value]


def steps(default: int) -> int:
  """Of the flag, or the study's own."""
  return default if STEPS.value is None else STEPS.value


def shrunk(config: Config) -> Config:
  """The same run through every stage, in seconds."""
  return dataclasses.replace(
    config,
    seeds=2,
    model=dataclasses.replace(config.model, hidden=8),
    train=TrainConfig(
      steps=min(config.train.steps, 20),
      batch=4,
      log_every=10,
      eval_every=10,
      eval_examples=100,
      test_examples=100,
      checkpoint_every=0,
    ),
    diagnostics=DiagnosticsConfig(
      lag_every=10,
      lag_examples=4,
      exponents_every=10 if config.diagnostics.exponents_every else 0,
    ),
  )
