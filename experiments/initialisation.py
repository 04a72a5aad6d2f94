"""Initialisations of a tanh or relu RNN, a GRU and an LSTM, all trained alike.

  python -m experiments.initialisation --workdir=initialisation

`--only=gru_default,gru_chrono` takes some of the arms; the same command goes on where
it was stopped; `--tiny` shows the whole way in a minute, with numbers that mean
nothing.
"""

import functools
from typing import Any

from experiments.conduct import conduct
from experiments.treatments import Treatment, plan_of, setting
from rnn_research import command
from rnn_research.config import CellOptions, Config, InitConfig, ModelConfig
from rnn_research.study import Plan

# Mean square of an entry of the six symbols, one hot: the drive through LeCun weights.
DRIVE = 1 / 6
TUNED = "learning rate of the cell from pilot runs in this initialisation"
BORROWED = "untuned, with its baseline's learning rate"


def configure(
  cell: str, init: dict[str, Any], activation: str | None, chrono: bool, length: int
) -> Config:
  """One initialisation; chrono's longest time scale is the length of the task."""
  start = InitConfig(**init, chrono=length if chrono else 0)
  options = CellOptions(activation=activation)
  model = ModelConfig(cell=cell, cell_options=options, hidden=50, init=start)
  return setting(model, length)


def _treatment(
  name: str,
  label: str,
  baseline: str = "",
  knob: str | None = None,
  value: float | None = None,
  activation: str | None = None,
  chrono: bool = False,
  **init: float | str,
) -> Treatment:
  return Treatment(
    name,
    label,
    functools.partial(configure, name.partition("_")[0], init, activation, chrono),
    tuning=BORROWED if baseline else TUNED,
    baseline=baseline,
    knob=knob,
    value=value,
  )


def treatments() -> list[Treatment]:
  """Each cell's initialisations, held against the library's own of the same cell."""
  rnn, gru, lstm = "rnn_orthogonal", "gru_default", "lstm_forget1"
  found = [_treatment(rnn, "tanh RNN, orthogonal", "", "input_scale", 1.0)]
  for scale in (0.3, 0.1):
    found.append(
      _treatment(
        f"rnn_input{scale}",
        f"tanh RNN, input x {scale}",
        rnn,
        "input_scale",
        scale,
        input_scale=scale,
      )
    )
  for gain in (1.0, 1.5):
    found.append(
      _treatment(
        f"rnn_gaussian{gain}",
        f"tanh RNN, Gaussian x {gain:g}",
        rnn,
        "gaussian_gain",
        gain,
        recurrent="gaussian",
        gain=gain,
      )
    )
  return [
    *found,
    _treatment(
      "rnn_critical", "tanh RNN, critical", rnn, recurrent="critical", drive=DRIVE
    ),
    _treatment(
      "rnn_identity",
      "relu RNN, identity, input x 0.1",
      rnn,
      activation="relu",
      recurrent="identity",
      input_scale=0.1,
    ),
    _treatment(gru, "GRU"),
    _treatment("gru_chrono", "GRU, chrono", gru, chrono=True),
    _treatment(lstm, "LSTM, forget bias 1", "", "forget_bias", 1.0),
    _treatment(
      "lstm_forget0", "LSTM, forget bias 0", lstm, "forget_bias", 0.0, forget_bias=0.0
    ),
    _treatment("lstm_chrono", "LSTM, chrono", lstm, chrono=True),
  ]


def make_plan() -> Plan:
  """The whole study, decided before anything runs."""
  return plan_of(
    "Initialisation of recurrent networks",
    "Does another start of the weights or of the gates' biases, with nothing else"
    " changed, let more seeds of the same cell learn?",
    treatments(),
  )


def main(_):
  """Conducts the study."""
  return conduct(make_plan())


if __name__ == "__main__":
  command.run(main)
