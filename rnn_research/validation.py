"""The edge of a run: past `validate`, a config can be built and trained.

What only a task, a data set or a device can know (the shortest length, whether
files are there) is refused by those, with the same kind of error.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from rnn_research.config import Config, DataConfig, ModelConfig, TaskConfig
from rnn_research.errors import ConfigError
from rnn_research.problem import Form

# Normal sizes of float32, which trainings compute in.
LEAST, MOST = 2.0**-126, (2 - 2.0**-23) * 2.0**127

AT_LEAST = {
  "seeds": 1,
  "seed": 0,
  "model.hidden": 1,
  "model.layers": 1,
  "model.init.drive": 0,
  "optimizer.clip_bound": 0,
  "optimizer.singular_bound": 0,
  "regularizer.omega": 0,
  "train.steps": 0,
  "model.segment_levels": -1,
  "model.truncate_every": 0,
  "model.truncate_reach": 0,
  "model.adjoint_clip": 0,
  "train.batch": 1,
  "train.log_every": 1,
  "train.steps_per_dispatch": 1,
  "train.eval_every": 1,
  "train.eval_examples": 1,
  "train.test_examples": 1,
  "train.checkpoint_every": 0,
  "train.stop_when_solved": 0,
  "train.devices": 0,
  "diagnostics.lag_every": 0,
  "diagnostics.lag_examples": 1,
  "diagnostics.lag_probes": 0,
  "diagnostics.exponents_every": 0,
  "diagnostics.exponents": 1,
  "diagnostics.exponents_examples": 1,
  "flossing.before": 0,
  "flossing.weight": 0,
  "flossing.exponents": 1,
  "flossing.horizon": 0,
  "flossing.examples": 1,
}
BELOW_ONE = ("model.dropout", "optimizer.momentum")
MULTIPLES = (
  "train.steps",
  "train.eval_every",
  "train.checkpoint_every",
  "diagnostics.lag_every",
  "diagnostics.exponents_every",
)
CHOICES = {
  "model.merge": ("concat", "sum", "mean", "multiply"),
  "model.pooling": ("last", "mean", "max"),
  "model.adjoint": ("fused", "autodiff"),
  "model.compute_dtype": ("float32", "bfloat16"),
  "data.form": ("", *typing.get_args(Form)),
  "optimizer.name": ("adam", "sgd", "rmsprop"),
  "optimizer.clip": ("norm", "value", "leaf", "adaptive"),
  "regularizer.omega_gradient": ("recurrent", "full"),
  "train.seed_loop": ("auto", "map", "vmap"),
}


def validate(config: Config) -> None:
  """Refuses a config that can't be run.

  Raises:
    ConfigError: names the first field found wrong, by its full path.
  """
  values = _typed_values(config)
  for path, value in values.items():
    if isinstance(value, float) and not math.isfinite(value):
      raise ConfigError(path, f"{value} is not finite", "give a finite number")
    if isinstance(value, float | int) and value and not LEAST <= abs(value) <= MOST:
      raise ConfigError(path, "beyond float32", f"use 0, or {LEAST:g} to {MOST:g}")
  for path, minimum in AT_LEAST.items():
    if values[path] < minimum:
      raise ConfigError(path, f"{values[path]} is too small", f"use at least {minimum}")
  if config.seed + config.seeds > 2**31:
    raise ConfigError(
      "seed", f"{config.seed} is too large", "keep seed + seeds below 2**31"
    )
  for path in BELOW_ONE:
    if not 0 <= values[path] < 1:
      raise ConfigError(
        path, f"{values[path]} is not in [0, 1)", "use 0 to switch it off"
      )
  for path, known in CHOICES.items():
    _choose(path, values[path], known)
  _validate_model(config.model)
  _validate_problem(config.task, config.data)
  _validate_optimizer(values)
  _validate_flossing(values)
  _validate_regularizer(config)
  _validate_intervals(values)


def _typed_values(holder: typing.Any, prefix: str = "") -> dict[str, typing.Any]:
  """Values by path; refuses fields that are no fields, and wrong types."""
  known = {field.name: field.type for field in dataclasses.fields(holder)}
  values = {}
  for name, value in vars(holder).items():
    path = prefix + name
    if name not in known:
      _choose(path, path, [prefix + name for name in known])
    kind = known[name]
    if not _fits(value, kind):
      spelled = getattr(kind, "__name__", None) or str(kind)
      raise ConfigError(path, f"{value!r} is {type(value).__name__}", f"give {spelled}")
    if dataclasses.is_dataclass(kind):
      values |= _typed_values(value, f"{path}.")
    else:
      values[path] = value
  return values


def _fits(value: typing.Any, kind: typing.Any) -> bool:
  """Whether a value has a field's type: 1 may be a float, True no number."""
  if isinstance(kind, types.UnionType):
    return any(_fits(value, k) for k in typing.get_args(kind))
  if typing.get_origin(kind) is tuple:
    inner = typing.get_args(kind)[0]
    return isinstance(value, tuple) and all(_fits(v, inner) for v in value)
  if kind is float:
    return isinstance(value, float | int) and not isinstance(value, bool)
  if kind is int:
    return isinstance(value, int) and not isinstance(value, bool)
  return isinstance(value, kind)


def _choose(path: str, value: str, known: Collection[str]) -> None:
  """Refuses a name that is not among the known ones, and offers the nearest."""
  if value in known:
    return
  near = get_close_matches(value, known, n=1)
  listed = "known: " + ", ".join(repr(name) for name in known)
  raise ConfigError(
    path,
    f"{value!r} is unknown",
    f"did you mean {near[0]!r}? {listed}" if near else listed,
  )


def _validate_model(model: ModelConfig) -> None:
  from rnn_research import cells

  _choose("model.cell", model.cell, cells.CELLS)
  _validate_cell_options(model, cells.CELLS)
  if model.cell_options.activation is not None:
    path = "model.cell_options.activation"
    _choose(path, model.cell_options.activation, cells.ACTIVATIONS)
  for wrapper in model.wrappers:
    _validate_wrapper(wrapper, cells.WRAPPERS, cells.NUMBERS)
  _validate_wrappers(model.wrappers)
  _choose("model.init.like", model.init.like, ("", *cells.PRESETS))
  _choose("model.init.recurrent", model.init.recurrent, cells.RECURRENT)
  if model.init.forget_bias is not None and model.cell != "lstm":
    raise ConfigError(
      "model.init.forget_bias",
      f"{model.cell} has no forget gate",
      "leave it out, or set model.cell=lstm",
    )
  chrono = model.init.chrono
  if chrono and model.cell not in ("gru", "lstm"):
    raise ConfigError(
      "model.init.chrono",
      f"{model.cell} has no gate that it could bias",
      "set it to 0, or model.cell to gru or lstm",
    )
  if chrono and chrono < 3:
    raise ConfigError(
      "model.init.chrono",
      f"{chrono} is too short for a longest time scale",
      "use 0 (off) or at least 3",
    )
  _validate_critical(model)
  _validate_truncation(model)
  if model.adjoint_clip and model.adjoint == "autodiff":
    raise ConfigError(
      "model.adjoint_clip",
      "autodiff has no adjoint that could be clipped",
      "set it to 0, or model.adjoint=fused",
    )


def _validate_critical(model: ModelConfig) -> None:
  """The mean field is that of tanh units without gates, norms or skips."""
  init, options = model.init, model.cell_options
  if init.recurrent != "critical":
    if init.drive:
      raise ConfigError(
        "model.init.drive",
        f"{init.recurrent} has no such option",
        "set it to 0, or model.init.recurrent=critical",
      )
    return
  plain = {wrapper.partition(":")[0] for wrapper in model.wrappers} <= {"residual"}
  if (
    model.cell != "rnn"
    or not plain
    or options.activation == "relu"
    or options.layer_norm
  ):
    raise ConfigError(
      "model.init.recurrent",
      "critical is known for tanh units alone",
      "set model.cell=rnn with tanh, no layer_norm, no wrapper, or another scheme",
    )


def _validate_truncation(model: ModelConfig) -> None:
  """A chunk's losses reach over it at least, and windows need no segments."""
  every, reach = model.truncate_every, model.truncate_reach
  if reach and not every:
    raise ConfigError(
      "model.truncate_reach",
      f"{reach} does nothing without chunks",
      "set model.truncate_every too, or this to 0",
    )
  if reach and reach < every:
    raise ConfigError(
      "model.truncate_reach",
      f"{reach} is less than model.truncate_every={every}",
      f"use 0 (the same) or at least {every}",
    )
  if every and model.segment_levels > 0:
    raise ConfigError(
      "model.truncate_every",
      f"{every} is set, and model.segment_levels={model.segment_levels} too",
      "set one of them to 0: each bounds the memory by itself",
    )


def _validate_cell_options(model: ModelConfig, table: Mapping[str, type]) -> None:
  """Options are fields of a cell; one that the cell lacks would do nothing."""
  options = {
    cell: {field.name for field in dataclasses.fields(builder)}
    for cell, builder in table.items()
  }
  for name, value in vars(model.cell_options).items():
    if value is not None and name not in options[model.cell]:
      having = [cell for cell in table if name in options[cell]]
      raise ConfigError(
        f"model.cell_options.{name}",
        f"{model.cell} has no such option",
        f"leave it out, or set model.cell={' or '.join(having)}",
      )
  projection = model.cell_options.projection
  if projection is not None and not 0 <= projection < model.hidden:
    raise ConfigError(
      "model.cell_options.projection",
      f"{projection} is not in [0, {model.hidden})",
      "use 0 (off) or fewer than model.hidden",
    )


def _validate_wrapper(
  wrapper: str, table: Mapping[str, type], numbers: Mapping[str, type]
) -> None:
  """`name` or `name:number`, the number being the wrapper's one option."""
  name, colon, number = wrapper.partition(":")
  _choose("model.wrappers", name, table)
  if not colon:
    return
  if name not in numbers:
    raise ConfigError(
      "model.wrappers", f"{name} takes no {number!r}", f"write {name!r}"
    )
  try:
    value = numbers[name](number)
  except ValueError:
    value = math.nan
  if numbers[name] is int and not value >= 2:
    raise ConfigError(
      "model.wrappers",
      f"{wrapper!r} has no number of steps of at least 2",
      f"write '{name}:10'",
    )
  if numbers[name] is float and not 0 <= value < 1:
    raise ConfigError(
      "model.wrappers",
      f"{wrapper!r} has no rate in [0, 1)",
      f"write '{name}:0.1'",
    )


def _validate_wrappers(wrappers: tuple[str, ...]) -> None:
  """The states that a skip in time remembers are not a state to mix with the old."""
  names = [wrapper.partition(":")[0] for wrapper in wrappers]
  around = names[names.index("time_skip") + 1 :] if "time_skip" in names else []
  for name in around:
    if name in ("time_residual", "time_skip", "zoneout"):
      raise ConfigError(
        "model.wrappers",
        f"{name} around time_skip would change the states that it remembers",
        f"use time_skip once, and put {name} before it",
      )


def _validate_problem(task: TaskConfig, data: DataConfig) -> None:
  """Exactly one of the two is named, and known."""
  if task.name and data.name:
    raise ConfigError(
      "task.name",
      f"{task.name!r} is set, and data.name {data.name!r} too",
      "empty one of them",
    )
  if task.name:
    from rnn_research.tasks import TASKS

    _choose("task.name", task.name, TASKS)
  elif data.name:
    from rnn_research.data import DATASETS

    _choose("data.name", data.name, DATASETS)
  else:
    raise ConfigError(
      "task.name", "empty, and data.name too", "name a task or a data set"
    )


def _validate_optimizer(values: Mapping[str, typing.Any]) -> None:
  rate = values["optimizer.learning_rate"]
  if rate <= 0:
    raise ConfigError(
      "optimizer.learning_rate", f"{rate} is not positive", "use 1e-3, say"
    )
  name, momentum = values["optimizer.name"], values["optimizer.momentum"]
  if momentum and name != "sgd":
    raise ConfigError(
      "optimizer.momentum",
      f"{name} has no such option",
      "set it to 0, or optimizer.name=sgd",
    )


def _validate_flossing(values: Mapping[str, typing.Any]) -> None:
  rate = values["flossing.learning_rate"]
  if rate <= 0:
    raise ConfigError(
      "flossing.learning_rate", f"{rate} is not positive", "use 1e-3, say"
    )
  examples, batch = values["flossing.examples"], values["train.batch"]
  if values["flossing.weight"] and examples > batch:
    raise ConfigError(
      "flossing.examples",
      f"{examples} are more than the {batch} of a train step",
      f"use at most train.batch={batch}",
    )


def _validate_regularizer(config: Config) -> None:
  """Omega is made from the whole adjoint of every step, each in one window."""
  if not config.regularizer.omega:
    return
  model = config.model
  if model.adjoint == "autodiff":
    raise ConfigError(
      "regularizer.omega",
      "autodiff has no adjoint to penalise",
      "set it to 0, or model.adjoint=fused",
    )
  if model.truncate_reach > model.truncate_every:
    raise ConfigError(
      "regularizer.omega",
      "a step in several windows has several adjoints",
      "set it to 0, or model.truncate_reach",
    )
  if model.adjoint_clip and config.regularizer.omega_gradient == "full":
    raise ConfigError(
      "regularizer.omega_gradient",
      "a clipped adjoint is no gradient that could be differentiated again",
      "use recurrent, or set model.adjoint_clip=0",
    )


def _validate_intervals(values: Mapping[str, typing.Any]) -> None:
  """Nothing but train steps happens between two rows."""
  every = values["train.log_every"]
  for path in MULTIPLES:
    if values[path] % every:
      raise ConfigError(
        path,
        f"{values[path]} is not a multiple of train.log_every={every}",
        f"use {math.ceil(values[path] / every) * every}",
      )
