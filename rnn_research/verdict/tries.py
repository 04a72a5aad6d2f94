"""What to try: settings of the start that can be measured without training."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from rnn_research.config import Config, InitConfig

INPUT_SCALES = (1.0, 0.3, 0.1)
RECURRENT_GAINS = (0.9, 1.1, 1.5)
FORGET_BIASES = (0.0, 1.0, 2.0)


class Try(NamedTuple):
  """One knob turned.

  Attributes:
    knob: what is turned: `input scale`, `recurrent gain`, `forget bias`, `chrono`.
    value: where it stands.
    setting: as a flag says it.
    init: the scheme with the knob there.
  """

  knob: str
  value: float
  setting: str
  init: InitConfig


def tries(config: Config, time: int) -> Iterator[Try]:
  """Every knob that the config's cell has, one at a time, but not as it stands.

  Args:
    config: of the run.
    time: steps of a sequence, the longest time scale of chrono initialisation.
  """
  init = config.model.init
  knobs = [("input scale", "input_scale", value) for value in INPUT_SCALES]
  knobs += [("recurrent gain", "gain", value) for value in RECURRENT_GAINS]
  if config.model.cell == "lstm":
    knobs += [("forget bias", "forget_bias", value) for value in FORGET_BIASES]
  if config.model.cell in ("gru", "lstm"):
    knobs.append(("chrono", "chrono", max(time, 3)))
  for knob, field, value in knobs:
    turned = dataclasses.replace(init, **{field: value})
    cell = config.model.cell
    if _spelled_out(turned, cell) != _spelled_out(init, cell):
      setting = f"--config.model.init.{field}={value:g}"
      yield Try(knob, float(value), setting, turned)


def _spelled_out(init: InitConfig, cell: str) -> InitConfig:
  """The same scheme, with the forget bias that None stands for in ours."""
  if cell == "lstm" and init.forget_bias is None and not init.like:
    return dataclasses.replace(init, forget_bias=1.0)
  return init
