"""The variants that every config file has: `--config=configs/<name>.py:tiny`."""

from rnn_research.config import Config
from rnn_research.errors import ConfigError


def vary(config: Config, variant: str) -> Config:
  """Applies a variant to a config, in place, and returns it.

  Raises:
    ConfigError: there is no such variant.
  """
  if variant not in VARIANTS:
    known = ", ".join(repr(name) for name in VARIANTS)
    raise ConfigError("--config", f"no variant {variant!r}", f"known: {known}")
  VARIANTS[variant](config)
  return config


def _as_it_is(config: Config) -> None:
  pass


def _shrink(config: Config) -> None:
  """The same experiment through every stage, in seconds."""
  config.seeds = 2
  config.model.hidden = 8
  config.task.length = min(config.task.length, 20)
  config.train.steps = 20
  config.train.batch = 4
  config.train.log_every = 5
  config.train.eval_every = 10
  config.train.eval_examples = 500
  config.train.test_examples = 500
  config.train.checkpoint_every = 10
  config.diagnostics.lag_every = 10
  config.diagnostics.lag_examples = 4


VARIANTS = {"": _as_it_is, "tiny": _shrink}
