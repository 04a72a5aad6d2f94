"""From a config to a model."""

import dataclasses
import functools

import flax.linen as nn

from rnn_research.cells import CELLS, NUMBERS, WRAPPERS, Cell, Initial
from rnn_research.config import InitConfig, ModelConfig
from rnn_research.errors import ConfigError
from rnn_research.models.classifier import Classifier
from rnn_research.models.encoder_decoder import EncoderDecoder
from rnn_research.models.generator import Generator
from rnn_research.models.stacked import Stacked
from rnn_research.models.tagger import Tagger
from rnn_research.problem import Problem
from rnn_research.unroll import AdjointClip, Measure


def build(
  config: ModelConfig, problem: Problem, measure: Measure | None = None
) -> nn.Module:
  """The model of a problem; hashable, and equal to every model built alike.

  Every model is called as `model.apply(variables, batch, train, rngs=...)`, and
  returns outputs with the axes of the targets, then `outputs`. Random streams
  used in training: `dropout`, `noise`.

  Args:
    config: a valid config.
    problem: decides the ends, by its form.
    measure: what is read on the way back where the collection `taps` is given.

  Raises:
    ConfigError: if the parts don't go together.
  """
  if measure is not None and config.adjoint == "autodiff":
    raise ConfigError(
      "model.adjoint",
      "autodiff has no taps to measure with",
      "set model.adjoint=fused, or diagnostics.adjoint=false",
    )
  truncation = make_truncation(config)
  if measure is not None and truncation and truncation[0] < truncation[1]:
    raise ConfigError(
      "model.truncate_reach",
      "windows that overlap have no taps to measure with",
      "set it to 0, or diagnostics.adjoint=false",
    )
  if config.bidirectional and problem.form not in _WHOLE:
    raise ConfigError(
      "model.bidirectional",
      f"{problem.name} writes its outputs one after the other",
      "set it to false: no step can read the ones behind it",
    )
  if config.learned_carry and problem.form == "one_to_many":
    raise ConfigError(
      "model.learned_carry",
      f"{problem.name} begins with a carry made from its context",
      "set it to false",
    )
  stacked = functools.partial(
    Stacked,
    cell=make_cell(config),
    hidden=config.hidden,
    layers=config.layers,
    bidirectional=config.bidirectional,
    merge=config.merge,
    residual=config.residual,
    layer_norm=config.layer_norm,
    dropout=config.dropout,
    variational=config.variational,
    learned_carry=config.learned_carry,
    adjoint=config.adjoint,
    segment_levels=config.segment_levels,
    truncation=truncation,
    compute_dtype=None if config.compute_dtype == "float32" else config.compute_dtype,
    edit=AdjointClip(config.adjoint_clip) if config.adjoint_clip else None,
    initial=make_initial(config.init),
    measure=measure,
  )
  return MODELS[problem.form](stacked, config, problem)


def make_cell(config: ModelConfig) -> Cell:
  """The cell with its options, in its wrappers from inner to outer."""
  options = dataclasses.asdict(config.cell_options)
  chosen = {name: v for name, v in options.items() if v is not None}
  cell = CELLS[config.cell](**chosen)
  for wrapper in config.wrappers:
    name, _, number = wrapper.partition(":")
    arguments = (NUMBERS[name](number),) if number else ()
    cell = WRAPPERS[name](cell, *arguments)
  return cell


def make_truncation(config: ModelConfig) -> tuple[int, int] | None:
  """k1 and k2 of truncated back-propagation; None is the whole gradient."""
  every = config.truncate_every
  return (every, config.truncate_reach or every) if every else None


def make_initial(config: InitConfig) -> Initial:
  """The scheme by which the cells' parameters are drawn."""
  return Initial(**dataclasses.asdict(config))


def _classifier(stacked, config, problem):
  return Classifier(stacked(), problem.output_size, config.pooling)


def _tagger(stacked, config, problem):
  return Tagger(stacked(), problem.output_size)


def _generator(stacked, config, problem):
  return Generator(stacked(), problem.output_size, problem.loss)


def _encoder_decoder(stacked, config, problem):
  return EncoderDecoder(stacked(), stacked(), problem.output_size)


# Forms whose whole input is there before the first output.
_WHOLE = ("many_to_one", "many_to_many")

MODELS = {
  "many_to_one": _classifier,
  "many_to_many": _tagger,
  "one_to_many": _generator,
  "encoder_decoder": _encoder_decoder,
}
