"""Every rule of `validate` refuses its case, and names the field."""

import dataclasses

import pytest

from rnn_research.config import Config
from rnn_research.errors import ConfigError
from rnn_research.validation import validate

LSTM = {"model.cell": "lstm"}


def make(changes):
  config = Config()
  config.task.name = "adding"
  for path, value in changes.items():
    *parents, name = path.split(".")
    holder = config
    for parent in parents:
      holder = getattr(holder, parent)
    setattr(holder, name, value)
  return config


GOOD = [
  {},
  {"train.steps": 0},
  {"train.checkpoint_every": 0},
  {"diagnostics.lag_every": 0},
  {"optimizer.clip_bound": 0},
  {"optimizer.clip": "adaptive", "optimizer.clip_bound": 0.01},
  {"optimizer.name": "sgd", "optimizer.momentum": 0.9},
  {"model.dropout": 0.0},
  {"model.init.chrono": 3},
  {"model.init.like": "torch"},
  {"model.cell": "rnn", "model.cell_options.activation": "relu"},
  {"model.cell_options.reset_after": False},
  {"model.cell": "rnn", "model.init.recurrent": "critical", "model.init.drive": 0.2},
  {"model.wrappers": ("residual", "zoneout:0.1", "zoneout")},
  {"model.wrappers": ("time_residual", "variational:0.2", "time_skip:2", "residual")},
  LSTM | {"model.cell_options.projection": 63, "model.init.forget_bias": 0.0},
  LSTM | {"model.cell_options.peepholes": True, "model.init.chrono": 40},
  {"model.cell_options.layer_norm": True},
  {"model.cell": "rnn", "model.cell_options.layer_norm": True},
  LSTM | {"model.cell_options.layer_norm": True},
  LSTM | {"model.cell_options.coupled": True},
  {"model.adjoint": "autodiff", "diagnostics.adjoint": True},
  {"model.truncate_every": 1},
  {"model.adjoint_clip": 1.0},
  {"regularizer.omega": 2, "regularizer.omega_gradient": "full"},
  {"model.adjoint_clip": 1.0, "regularizer.omega": 4.0},
  {"model.truncate_every": 5, "model.truncate_reach": 5},
  {"model.truncate_every": 5, "model.truncate_reach": 500},
  {"diagnostics.exponents_every": 50, "diagnostics.exponents": 1000},
  {"flossing.before": 100, "flossing.examples": 64},
  {"flossing.weight": 0.1, "flossing.examples": 32, "flossing.horizon": 55},
]

CRITICAL = {"model.init.recurrent": "critical"}
# The changes, and the field that the error names: the last of them.
BAD = [
  {"seeds": 0},
  {"seed": -1},
  {"seed": 2**31},
  {"model.hidden": 0},
  {"model.layers": 0},
  {"model.cell": "gur"},
  {"model.merge": "concatenate"},
  {"model.pooling": "first"},
  {"model.adjoint": "auto"},
  {"model.dropout": 1.0},
  {"model.dropout": -0.1},
  {"model.wrappers": ("residuals",)},
  {"model.wrappers": ("residual:2",)},
  {"model.wrappers": ("zoneout:1",)},
  {"model.wrappers": ("zoneout:much",)},
  {"model.wrappers": ("variational:1",)},
  {"model.wrappers": ("time_residual:1",)},
  {"model.wrappers": ("time_skip:1",)},
  {"model.wrappers": ("time_skip:2.5",)},
  {"model.wrappers": ("time_skip:2", "zoneout")},
  {"model.wrappers": ("time_skip:2", "residual", "time_residual")},
  {"model.cell_options.activation": "tanh"},
  {"model.cell": "rnn", "model.cell_options.activation": "sigmoid"},
  {"model.cell": "rnn", "model.cell_options.reset_after": True},
  {"model.cell_options.peepholes": False},
  {"model.cell_options.coupled": True},
  {"model.cell_options.projection": 3},
  LSTM | {"model.cell_options.reset_after": True},
  LSTM | {"model.cell_options.projection": 64},
  LSTM | {"model.cell_options.projection": -1},
  {"model.init.like": "pytorch"},
  {"model.init.recurrent": "orthonormal"},
  {"model.init.forget_bias": 1.0},
  {"model.init.recurrent": "critical"},
  {"model.cell": "rnn", "model.init.drive": 0.2},
  {"model.cell": "rnn", "model.init.recurrent": "critical", "model.init.drive": -0.2},
  {
    "model.cell": "rnn",
    "model.cell_options.activation": "relu",
    "model.init.recurrent": "critical",
  },
  {"model.init.gain": float("nan")},
  {"model.cell": "rnn", "model.init.chrono": 40},
  {"model.init.chrono": 2},
  {"model.init.chrono": -3},
  {"model.truncate_every": -1},
  {"model.truncate_every": 5, "model.truncate_reach": -1},
  {"model.truncate_every": 5, "model.truncate_reach": 4},
  {"model.truncate_reach": 4},
  {"model.segment_levels": 1, "model.truncate_every": 5},
  {"task.name": "ading"},
  {"task.name": ""},
  {"data.name": "digits", "task.name": "adding"},
  {"task.name": "", "data.name": "diigts"},
  {"data.form": "one_to_one"},
  {"optimizer.name": "adma"},
  {"optimizer.learning_rate": 0.0},
  {"optimizer.learning_rate": float("inf")},
  {"optimizer.clip_bound": -1.0},
  {"model.cell": "rnn", "model.wrappers": ("zoneout:0.1",), **CRITICAL},
  {"optimizer.clip_bound": 1e-46},
  {"optimizer.learning_rate": 1e39},
  {"model.init.gain": 10**40},
  {"optimizer.clip": "layer"},
  {"optimizer.singular_bound": -1.0},
  {"model.adjoint_clip": -1.0},
  {"regularizer.omega": -1.0},
  {"regularizer.omega": 1.0, "regularizer.omega_gradient": "ful"},
  {"model.adjoint": "autodiff", "regularizer.omega": 1.0},
  {"model.truncate_every": 2, "model.truncate_reach": 4, "regularizer.omega": 1.0},
  {
    "regularizer.omega": 1.0,
    "model.adjoint_clip": 1.0,
    "regularizer.omega_gradient": "full",
  },
  {"model.adjoint": "autodiff", "model.adjoint_clip": 1.0},
  {"optimizer.name": "sgd", "optimizer.momentum": 1.0},
  {"optimizer.momentum": 0.9},
  {"train.steps": -1},
  {"train.batch": 0},
  {"train.log_every": 0},
  {"train.eval_every": 0},
  {"train.eval_every": 30},
  {"train.eval_examples": 0},
  {"train.test_examples": 0},
  {"train.checkpoint_every": -25},
  {"train.checkpoint_every": 510},
  {"train.seed_loop": "pmap"},
  {"train.devices": -1},
  {"diagnostics.lag_every": 40},
  {"diagnostics.lag_every": -25},
  {"diagnostics.lag_examples": 0},
  {"diagnostics.lag_probes": -1},
  {"diagnostics.exponents_every": 40},
  {"diagnostics.exponents": 0},
  {"diagnostics.exponents_examples": 0},
  {"flossing.before": -1},
  {"flossing.weight": -0.1},
  {"flossing.exponents": 0},
  {"flossing.horizon": -1},
  {"flossing.examples": 0},
  {"flossing.weight": 0.1, "flossing.examples": 33},
  {"flossing.learning_rate": 0.0},
  # types, and what a config file set that is no field
  {"seeds": "3"},
  {"model.hidden": 64.0},
  {"model.layers": True},
  {"model.residual": 1},
  {"model.wrappers": ["residual"]},
  {"model.wrappers": (1,)},
  {"model.cell_options.projection": "none"},
  {"optimizer.learning_rate": "1e-3"},
  {"model.init": {"gain": 1.0}},
  {"model.hiden": 64},
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_what_can_be_run_passes_and_is_left_alone(changes):
  config = make(changes)
  before = dataclasses.asdict(config)
  validate(config)
  assert dataclasses.asdict(config) == before


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_what_cannot_be_run_is_refused_by_name(changes):
  field = list(changes)[-1]
  with pytest.raises(ConfigError) as caught:
    validate(make(changes))
  assert caught.value.field == field
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  "changes, nearest",
  [
    ({"model.cell": "gur"}, "'gru'"),
    ({"task.name": "ading"}, "'adding'"),
    ({"task.name": "", "data.name": "diigts"}, "'digits'"),
    ({"optimizer.name": "adma"}, "'adam'"),
    ({"model.wrappers": ("zoneuot:0.1",)}, "'zoneout'"),
    ({"model.hiden": 64}, "'model.hidden'"),
    ({"model.pooling": "men"}, "'mean'"),
  ],
)
def test_a_misspelled_name_gets_the_nearest_and_all_the_known(changes, nearest):
  with pytest.raises(ConfigError) as caught:
    validate(make(changes))
  assert caught.value.remedy.startswith(f"did you mean {nearest}? known: ")
  assert nearest in caught.value.remedy.split("known: ")[1]


def test_a_multiple_is_proposed_that_passes():
  with pytest.raises(ConfigError, match="use 50$"):
    validate(make({"diagnostics.lag_every": 40}))
  validate(make({"diagnostics.lag_every": 50}))
