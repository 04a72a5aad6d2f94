"""Every cure: its settings, and the number of the records that it should move."""

from collections.abc import Callable
from typing import NamedTuple

from rnn_research.config import Config

Edit = Callable[[Config], None]


class Cure(NamedTuple):
  """A cure, its settings and what it should do.

  Attributes:
    title: of its panel.
    paper: where it is from.
    knob: what is turned.
    settings: label and edit, from the smallest dose to the largest.
    measure: the number that should move, in words.
    series: its key in the records; LAYER is the first layer's name.
    at: "start", "end", or "mean" over the training.
    toward: "up", "down", "zero" or "one".
    base: what all of its settings have in common.
  """

  title: str
  paper: str
  knob: str
  settings: tuple[tuple[str, Edit], ...]
  measure: str
  series: str
  at: str
  toward: str
  base: Edit


def sets(**values) -> Edit:
  """An edit that sets fields, dots of their paths written as `__`."""

  def edit(config):
    for path, value in values.items():
      *parts, name = path.split("__")
      holder = config
      for part in parts:
        holder = getattr(holder, part)
      setattr(holder, name, value)

  return edit


def over(path: str, *values, off=None) -> tuple[tuple[str, Edit], ...]:
  """Settings of one field; `off` is the value called "off", the smallest dose."""
  return tuple(
    ("off" if value == off else f"{value:g}", sets(**{path: value})) for value in values
  )


def wrapped(name: str, *numbers: float) -> tuple[tuple[str, Edit], ...]:
  """No wrapper, and then one with each number."""
  found = [("off", sets())]
  for number in numbers:
    found.append((f"{number:g}", sets(model__wrappers=(f"{name}:{number:g}",))))
  return tuple(found)


# Gradients that are large enough to be clipped, under the rule that shows what is.
EXPLODING = sets(
  optimizer__name="sgd",
  optimizer__learning_rate=0.05,
  model__init__recurrent="gaussian",
  model__init__gain=2.0,
)
NOTHING = sets()
GAIN = ("log10 gain at event 1, at start", "lag/LAYER/loss/event_0", "start")
UPDATE = ("largest |update|, mean", "update/norm_max", "mean")
PASCANU = "Pascanu, Mikolov and Bengio 2013"


def clip(kind: str, title: str, paper: str, *bounds: float) -> Cure:
  """One kind of clipping under SGD."""
  settings = [("off", sets(optimizer__clip_bound=0.0))]
  settings += [(f"{b:g}", sets(optimizer__clip_bound=b)) for b in bounds]

  def base(config):
    EXPLODING(config)
    config.optimizer.clip = kind

  return Cure(title, paper, "bound", tuple(settings), *UPDATE, "down", base)


def omega(title: str, **more) -> Cure:
  """One way to differentiate the regulariser, under SGD."""
  return Cure(
    title,
    PASCANU,
    "weight",
    over("regularizer__omega", 1e-6, 0.1, 0.5, 2.0),
    "|J'a|/|a| per step, at end",
    "regularizer/ratio",
    "end",
    "one",
    sets(optimizer__name="sgd", optimizer__learning_rate=0.02, **more),
  )


def cell(name: str, **more) -> Edit:
  """The base of a cure of one cell."""
  return sets(model__cell=name, **more)


CURES = {
  "clip_norm": clip("norm", "Clip by global norm", PASCANU, 3, 1, 0.3),
  "clip_value": clip("value", "Clip by value", "Mikolov 2012", 1, 0.1, 0.01),
  "clip_leaf": clip("leaf", "Clip of each leaf's norm", PASCANU, 3, 1, 0.3),
  "clip_adaptive": clip("adaptive", "Adaptive clip", "Brock et al. 2021", 1, 0.1, 0.01),
  "adjoint_clip": Cure(
    "Adjoint clip inside BPTT",
    "Graves 2013",
    "bound",
    (("off", sets()), *over("model__adjoint_clip", 1.0, 0.1, 0.01)),
    "largest |g| before clip, mean",
    "clip/norm_before_max",
    "mean",
    "down",
    EXPLODING,
  ),
  "omega": omega("Omega regulariser, recurrent"),
  "omega_full": omega(
    "Omega regulariser, full gradient", regularizer__omega_gradient="full"
  ),
  "flossing": Cure(
    "Gradient flossing before training",
    "Engelken 2023",
    "updates",
    over("flossing__before", 0, 30, 100, 300, off=0),
    "exponent 1, nats/step, at start",
    "lyapunov/LAYER/0",
    "start",
    "zero",
    sets(
      diagnostics__exponents_every=100,
      flossing__learning_rate=3e-3,
      model__init__input_scale=1.0,
    ),
  ),
  "flossing_during": Cure(
    "Gradient flossing in training, gain 0.7",
    "Engelken 2023",
    "weight",
    over("flossing__weight", 0.0, 1.0, 10.0, off=0.0),
    "exponent 1, nats/step, at end",
    "lyapunov/LAYER/0",
    "end",
    "zero",
    # Contracting, so that there is something to push.
    sets(diagnostics__exponents_every=100, model__init__gain=0.7),
  ),
  "singular_bound": Cure(
    "Projection of singular values",
    "Kanai, Fujiwara and Iwamura 2017",
    "bound",
    (("off", sets()), *over("optimizer__singular_bound", 1.2, 1.0, 0.8)),
    "sigma_max(U), at end",
    "spectrum/LAYER/hidden/sigma_max",
    "end",
    "down",
    NOTHING,
  ),
  "orthogonal": Cure(
    "Orthogonal recurrence, gain",
    "Saxe, McClelland and Ganguli 2014",
    "gain",
    over("model__init__gain", 0.8, 0.9, 1.0, 1.1),
    *GAIN,
    "up",
    NOTHING,
  ),
  "identity": Cure(
    "Identity recurrence (IRNN), gain",
    "Le, Jaitly and Hinton 2015",
    "gain",
    over("model__init__gain", 0.6, 0.8, 1.0),
    *GAIN,
    "up",
    sets(
      model__cell_options__activation="relu",
      model__init__recurrent="identity",
      model__init__input_scale=0.3,
    ),
  ),
  "critical": Cure(
    "Critical Gaussian recurrence",
    "Chen, Pennington and Schoenholz 2018",
    "assumed drive variance",
    over("model__init__drive", 0.0, 0.05, 0.17),
    "log10 rms gain, all lags, at start",
    "lag/LAYER/rms/log10",
    "start",
    "zero",
    sets(model__init__recurrent="critical"),
  ),
  "input_scale": Cure(
    "Small input matrix",
    "this project",
    "1 / scale",
    tuple(
      (f"{1 / scale:.3g}", sets(model__init__input_scale=scale))
      for scale in (1.0, 0.5, 0.3, 0.1)
    ),
    *GAIN,
    "up",
    NOTHING,
  ),
  "forget_bias": Cure(
    "Forget bias",
    "Gers, Schmidhuber and Cummins 2000",
    "bias",
    over("model__init__forget_bias", 0.0, 1.0, 2.0, 4.0),
    *GAIN,
    "up",
    cell("lstm"),
  ),
  "chrono": Cure(
    "Chrono initialisation",
    "Tallec and Ollivier 2018",
    "T_max",
    over("model__init__chrono", 0, 10, 30, 100, off=0),
    *GAIN,
    "up",
    cell("lstm"),
  ),
  "layer_norm": Cure(
    "Layer norm in the cell, recurrent gain 0.3",
    "Ba, Kiros and Hinton 2016",
    "cell",
    (
      ("off", sets(model__init__gain=0.3)),
      ("on", sets(model__init__gain=0.3, model__cell_options__layer_norm=True)),
      ("on, gain 1", sets(model__cell_options__layer_norm=True)),
    ),
    *GAIN,
    "up",
    NOTHING,
  ),
  "residual": Cure(
    "Residual in depth, 4 layers, input x 0.3",
    "He et al. 2016",
    "connections",
    (
      ("none", sets()),
      ("residual", sets(model__residual=True)),
      ("and norm", sets(model__residual=True, model__layer_norm=True)),
    ),
    "|gradient| of layer 1's U, step 50",
    "grads/LAYER/cell/hidden/kernel",
    "start",
    "up",
    # A weak way down; at the start, before the large gradients of what solves the task.
    sets(model__layers=4, model__init__input_scale=0.3),
  ),
  "time_skip": Cure(
    "Skip connection in time",
    "Zhang et al. 2016",
    "shorter skips (steps)",
    wrapped("time_skip", 15, 8, 4),
    *GAIN,
    "up",
    NOTHING,
  ),
  "time_residual": Cure(
    "Residual in time (FastRNN)",
    "Kusupati et al. 2018",
    "wrapper",
    (
      ("off", sets()),
      ("GRU", cell("gru", model__wrappers=("time_residual",))),
      ("tanh", sets(model__wrappers=("time_residual",))),
    ),
    *GAIN,
    "up",
    NOTHING,
  ),
  "zoneout": Cure(
    "Zoneout",
    "Krueger et al. 2017",
    "rate",
    wrapped("zoneout", 0.05, 0.2, 0.5),
    *GAIN,
    "up",
    NOTHING,
  ),
  "variational": Cure(
    "Variational dropout in the recurrence",
    "Gal and Ghahramani 2016",
    "rate",
    wrapped("variational", 0.1, 0.3, 0.5),
    "training loss, mean",
    "train/loss",
    "mean",
    "up",
    cell("gru"),
  ),
  "truncation": Cure(
    "Reach of truncated BPTT",
    "Williams and Peng 1990",
    "k1 = k2",
    over("model__truncate_every", 5, 10, 20, 29),
    "cosine to the whole gradient, mean",
    "truncation/cosine",
    "mean",
    "up",
    cell("gru"),
  ),
  "learned_carry": Cure(
    "Learned initial state",
    "Forcada and Carrasco 1995",
    "learning rate of all parameters, x 1e-3",
    tuple(
      (f"{rate * 1e3:g}", sets(optimizer__learning_rate=rate))
      for rate in (3e-5, 3e-4, 3e-3)
    ),
    "|initial state|, at end",
    "params/LAYER/initial/hidden",
    "end",
    "up",
    cell("gru", model__learned_carry=True),
  ),
}
