"""What is fixed about a run when its programs are compiled."""

import dataclasses
from typing import Any, NamedTuple

import optax

from rnn_research.cells import dense
from rnn_research.config import Config, ModelConfig
from rnn_research.diagnostics import ADJOINT, Reading, logged_measure
from rnn_research.errors import ConfigError
from rnn_research.models import build, make_cell
from rnn_research.problem import Problem
from rnn_research.tasks import Task
from rnn_research.training.optimizer import RULES
from rnn_research.training.placement import Layout


class Rule(NamedTuple):
  """The static half of an optimizer; its numbers live in the train state."""

  name: str
  momentum: float
  clip: str
  projected: bool

  def transformation(self) -> optax.GradientTransformation:
    """Gradient to direction, without clip and learning rate."""
    return RULES[self.name](self)


class Flossing(NamedTuple):
  """The fields of `config.flossing`, hashable."""

  before: int
  weight: float
  exponents: int
  horizon: int
  examples: int
  learning_rate: float


class Program(NamedTuple):
  """Static description of training, evaluation and inspection; hashable.

  Two runs with equal programs share their compiled code, however they start and
  whatever their learning rates and clip bounds are.

  Attributes:
    model: computes outputs, and reads what the regularizer is made from.
    measured: the same, read in its logged steps; the model itself where nothing is
      read in training.
    inspected: the same, reading every adjoint whole, never truncated nor clipped.
    problem: what the outputs are judged by.
    task: samples batches on the device; None if they come from a data set.
    rule: gradient to update.
    flossing: which exponents are pushed to zero, before or during training.
    regularizer: which gradient of Omega is added, "recurrent" or "full"; "" for none.
    batch: sequences of one train step.
    layout: seeds and batch over devices.
    largest_stack: bytes, see `compilation`.
  """

  model: Any
  measured: Any
  inspected: Any
  problem: Problem
  task: Task | None
  rule: Rule
  flossing: Flossing
  regularizer: str
  batch: int
  layout: Layout
  largest_stack: int


def make_program(
  config: Config,
  problem: Problem,
  task: Task | None,
  layout: Layout,
  largest_stack: int = 0,
) -> Program:
  """The program of a validated config."""
  every, reach = config.model.truncate_every, config.model.truncate_reach
  # Nothing can be read in autodiff, nor where a step lies in several windows.
  readable = config.model.adjoint == "fused" and reach <= every
  regularizer = _regularizer(config)
  carry = logged_measure(Reading(False, False, False, carry=True))
  unlogged = carry if regularizer else None
  reading = Reading(
    adjoint=config.diagnostics.adjoint,
    saturation=config.diagnostics.saturation,
    weights=config.diagnostics.weights,
    carry=bool(regularizer),
  )
  measure = logged_measure(reading) if readable else None
  model = build(config.model, problem, unlogged)
  return Program(
    model=model,
    measured=model if measure is None else build(config.model, problem, measure),
    inspected=build(_inspected(config.model), problem, ADJOINT),
    problem=problem,
    task=task,
    rule=_rule(config),
    regularizer=regularizer,
    flossing=Flossing(**vars(config.flossing)),
    batch=config.train.batch,
    layout=layout,
    largest_stack=largest_stack,
  )


def _inspected(model: ModelConfig) -> ModelConfig:
  """The fused adjoint of all steps, unedited, in float32, however a run is trained.

  So a lag gain is the network's, and a truncation has something to be compared with.
  """
  return dataclasses.replace(
    model,
    adjoint="fused",
    truncate_every=0,
    truncate_reach=0,
    adjoint_clip=0.0,
    compute_dtype="float32",
  )


def _regularizer(config: Config) -> str:
  """Which gradient of Omega is asked for, if its cell has one."""
  if not config.regularizer.omega:
    return ""
  products = make_cell(config.model).products
  if not products or any(operation is not dense for _, operation in products):
    raise ConfigError(
      "regularizer.omega",
      f"{config.model.cell} has a recurrent weight that is no dense matrix, or none",
      "set it to 0",
    )
  return config.regularizer.omega_gradient


def _rule(config: Config) -> Rule:
  projected = config.optimizer.singular_bound > 0
  if projected and not make_cell(config.model).gate_order:
    raise ConfigError(
      "optimizer.singular_bound",
      f"{config.model.cell} has no recurrent matrix",
      "set it to 0",
    )
  rule = config.optimizer
  return Rule(rule.name, rule.momentum, rule.clip, projected)
