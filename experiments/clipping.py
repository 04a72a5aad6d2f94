"""Ways to bound a gradient, under SGD and under Adam.

  python -m experiments.clipping --workdir=clipping

A tanh RNN whose input is scaled to a tenth, so that a gradient reaches the first
symbol and can be large as well as small. `--only=none_sgd,norm1_sgd` takes some of
the arms; the same command goes on where it was stopped; `--tiny` shows the whole way
in a minute, with numbers that mean nothing.
"""

import functools
from collections.abc import Iterator

from experiments import arms
from experiments.conduct import conduct
from experiments.treatments import Treatment, plan_of, setting
from rnn_research import command
from rnn_research.config import Config, InitConfig, ModelConfig, OptimizerConfig
from rnn_research.study import Plan

INPUT_SCALE = 0.1
LEARNING_RATES = {"sgd": 0.05, "adam": arms.LEARNING_RATES["rnn"]}
RULES = {"sgd": "SGD", "adam": "Adam"}
# Kind, bound, and bound on the adjoint that a step hands back; 0 = none.
BOUNDS = {
  "none": ("no clip", "norm", 0.0, 0.0),
  "norm0.1": ("norm 0.1", "norm", 0.1, 0.0),
  "norm1": ("norm 1", "norm", 1.0, 0.0),
  "norm10": ("norm 10", "norm", 10.0, 0.0),
  "value": ("value 0.1", "value", 0.1, 0.0),
  "leaf": ("norm of a leaf 1", "leaf", 1.0, 0.0),
  "adaptive": ("adaptive 0.1", "adaptive", 0.1, 0.0),
  "adjoint": ("adjoint 1", "norm", 0.0, 1.0),
}


def configure(rule: str, bound: str, length: int) -> Config:
  """One way of clipping under one rule."""
  _, kind, largest, adjoint = BOUNDS[bound]
  init = InitConfig(input_scale=INPUT_SCALE)
  config = setting(
    ModelConfig(cell="rnn", hidden=50, init=init, adjoint_clip=adjoint), length
  )
  config.optimizer = OptimizerConfig(
    rule, learning_rate=LEARNING_RATES[rule], clip=kind, clip_bound=largest
  )
  return config


def treatments() -> Iterator[Treatment]:
  """Every bound under every rule, held against no clip under the same rule."""
  for rule, title in RULES.items():
    for bound, (label, *_) in BOUNDS.items():
      yield Treatment(
        f"{bound}_{rule}",
        f"{title}, {label}",
        functools.partial(configure, rule, bound),
        tuning=f"untuned bound, learning rate {LEARNING_RATES[rule]:g} for all",
        baseline="" if bound == "none" else f"none_{rule}",
      )


def make_plan() -> Plan:
  """The whole study, decided before anything runs."""
  return plan_of(
    "Bounds on a gradient",
    "Does a bound on the gradient, of whatever kind, let more seeds of a tanh RNN"
    " learn than none does, under SGD and under Adam?",
    list(treatments()),
  )


def main(_):
  """Conducts the study."""
  return conduct(make_plan())


if __name__ == "__main__":
  command.run(main)
