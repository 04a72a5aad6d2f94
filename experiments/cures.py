"""Every cure at several doses: does it move what it should, and does the task gain?

  python -m experiments.cures --workdir=cures

Small tanh RNNs, GRUs and LSTMs on temporal order at the first of `--lengths`, paired
over seeds. A cure is one entry of `cure_table.CURES`: its settings from the smallest
dose, the number of the records that it should move, and where to. `--tiny` shows the
whole way with numbers that mean nothing; `--cures=chrono,omega` takes some of them.
"""

import copy
from collections.abc import Iterator

from absl import flags

from experiments import arms
from experiments.conduct import conduct
from experiments.cure_table import CURES, Cure
from rnn_research import command
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.errors import ConfigError
from rnn_research.study import Arm, Plan

_CHOSEN = flags.DEFINE_list("cures", [], "Names of cures; none is all.")

STEPS = 600


def base_config() -> Config:
  """Hidden 32, batch 32, Adam 1e-3, clip 1, a tanh RNN on temporal order."""
  return Config(
    seeds=arms.SEEDS.value,
    model=ModelConfig(cell="rnn", hidden=32),
    task=TaskConfig(name="temporal_order", length=arms.lengths()[0]),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, clip_bound=1.0),
    train=TrainConfig(
      steps=arms.steps(STEPS),
      batch=32,
      log_every=50,
      eval_every=100,
      eval_examples=500,
      test_examples=2000,
      checkpoint_every=0,
    ),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )


def make_arms(name: str, cure: Cure) -> Iterator[Arm]:
  """One arm a setting."""
  for number, (label, edit) in enumerate(cure.settings):
    config = copy.deepcopy(base_config())
    cure.base(config)
    edit(config)
    if arms.TINY.value:
      _shrink(config)
    title = f"{cure.title}, {cure.knob} {label}"
    yield Arm(f"{name}_{number}", title, "dose", name, float(number), config)


def make_plan() -> Plan:
  """All doses of all cures asked for.

  Raises:
    ConfigError: one of them is not known.
  """
  for name in _CHOSEN.value:
    if name not in CURES:
      known = ", ".join(CURES)
      raise ConfigError("--cures", f"{name!r} is no cure", f"known: {known}")
  chosen = {
    n: cure for n, cure in CURES.items() if n in _CHOSEN.value or not _CHOSEN.value
  }
  made = {name: list(make_arms(name, cure)) for name, cure in chosen.items()}
  return Plan(
    title="Cures for vanishing and exploding gradients, dose by dose",
    question=(
      "Does each cure move the number that it is said to move, and what does that do"
      " to the task?"
    ),
    arms=[arm for own in made.values() for arm in own],
    budget={
      "steps": arms.steps(STEPS),
      "batch": 32,
      "matching": "equal hidden size",
      "tuning": "untuned; settings from pilot runs on other seeds",
    },
    comparisons=[],
    baselines=["the smallest dose of each cure"],
    doses=[
      {
        "name": cure.title,
        "paper": cure.paper,
        "knob": cure.knob,
        "settings": [label for label, _ in cure.settings],
        "arms": [arm.name for arm in made[name]],
        "measure": cure.measure,
        "series": cure.series,
        "at": cure.at,
        "toward": cure.toward,
      }
      for name, cure in chosen.items()
    ],
  )


def _shrink(config: Config) -> None:
  config.seeds = 2
  config.model.hidden = 8
  config.train.steps = 100
  config.train.batch = 4
  config.train.eval_examples = config.train.test_examples = 100
  config.diagnostics.lag_examples = 4
  config.flossing.before //= 10


def main(_):
  """Conducts the study."""
  return conduct(make_plan())


if __name__ == "__main__":
  command.run(main)
