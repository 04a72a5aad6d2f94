"""Every knob of a run, each documented once.

A file in `configs/` returns a `Config` from `get_config(variant)`; absl flags set
single fields on top (`--config.model.hidden=64`). `validate` is the edge: past it a
config can be run.
"""

import dataclasses


@dataclasses.dataclass
class CellOptions:
  """Options of a cell; None leaves the cell's own default.

  Setting an option that the chosen cell doesn't have is an error.
  """

  activation: str | None = None  # rnn: "tanh" or "relu"
  reset_after: bool | None = None  # gru: reset gate after (True) or before the product
  peepholes: bool | None = None  # lstm: gates see the memory
  coupled: bool | None = None  # lstm: input gate = 1 - forget gate
  projection: int | None = None  # lstm: size of the projected hidden state, 0 = off
  layer_norm: bool | None = None  # normalise the products; lstm: and the memory


@dataclasses.dataclass
class InitConfig:
  """How the parameters of every cell start."""

  like: str = ""  # "torch", "keras", "flax", "haiku": a library's default; "" = ours
  # Per gate: orthogonal, identity, gaussian, normal, uniform; tanh network: critical.
  recurrent: str = "orthogonal"
  drive: float = 0.0  # critical: variance of what a unit gets from the input
  gain: float = 1.0  # factor on every recurrent matrix
  input_scale: float = 1.0  # factor on every input matrix
  forget_bias: float | None = None  # lstm: forget gate; None = 1, or that of `like`
  chrono: int = 0  # lstm, gru: longest time scale of chrono initialisation, 0 = off


@dataclasses.dataclass
class ModelConfig:
  """The network between inputs and outputs."""

  cell: str = "gru"  # rnn, gru, lstm
  cell_options: CellOptions = dataclasses.field(default_factory=CellOptions)
  # Inner to outer: residual, time_residual, time_skip:10, variational:0.1, zoneout:0.1.
  wrappers: tuple[str, ...] = ()
  hidden: int = 64  # units of each layer
  layers: int = 1
  bidirectional: bool = False
  merge: str = "concat"  # bidirectional: concat, sum, mean, multiply
  residual: bool = False  # add a layer's input to its output where sizes agree
  layer_norm: bool = False  # normalise the input of every layer but the first
  dropout: float = 0.0  # between layers
  variational: bool = False  # dropout: one mask for all time steps
  learned_carry: bool = False  # the state before the first step is learned, from 0
  pooling: str = "last"  # many-to-one: last (valid state), mean, max
  init: InitConfig = dataclasses.field(default_factory=InitConfig)
  adjoint: str = "fused"  # fused, or autodiff (the oracle; has no adjoint taps)
  compute_dtype: str = "float32"  # of the cells' products; bfloat16 adds up in float32
  segment_levels: int = -1  # 1 = O(sqrt(T)) memory, 0 = keep all steps; -1 = by length
  truncate_every: int = 0  # TBPTT(k1, k2): k1, steps of a chunk; 0 = whole gradient
  truncate_reach: int = 0  # k2, steps that a chunk's losses go back; 0 = k1
  adjoint_clip: float = 0.0  # bound on |dl/ds_t| that a step hands back, 0 = none


@dataclasses.dataclass
class TaskConfig:
  """A synthetic task; leave `name` empty to train on `data`."""

  name: str = ""
  length: int = 50  # the task's own T; each task's docstring says what it counts


@dataclasses.dataclass
class DataConfig:
  """A prepared data set; leave `name` empty to train on a `task`."""

  name: str = ""
  source: str = ""  # folder of prepared data sets; "" = data.location's default
  form: str = ""  # "" = the data set's own; digits: many_to_one, one_to_many


@dataclasses.dataclass
class OptimizerConfig:
  """Gradient to update."""

  name: str = "adam"  # adam, sgd, rmsprop
  learning_rate: float = 1e-3
  clip: str = "norm"  # norm (of all leaves), value, leaf (each one's norm), adaptive
  clip_bound: float = 1.0  # on what `clip` says, 0 = no clipping
  momentum: float = 0.0  # sgd only
  singular_bound: float = 0.0  # on each recurrent matrix, after each update; 0 = none


@dataclasses.dataclass
class RegularizerConfig:
  """What is added to the loss."""

  omega: float = 0.0  # weight of Pascanu's Omega on every layer's adjoints, 0 = off
  omega_gradient: str = "recurrent"  # theirs, to the recurrent weights alone; or full


@dataclasses.dataclass
class TrainConfig:
  """How long, how much at once, and what is written when (all in train steps)."""

  steps: int = 1500
  batch: int = 32
  log_every: int = 25  # one row of metrics
  steps_per_dispatch: int = 50  # at most, in whole rows; fewer where more is due
  eval_every: int = 100  # held-out evaluation; a multiple of log_every
  eval_examples: int = 1000  # fresh sequences of an evaluation on the way
  test_examples: int = 10000  # fresh sequences of the last evaluation
  checkpoint_every: int = 500  # a multiple of log_every; 0 = only at the end
  stop_when_solved: int = 0  # ends with all seeds solved so often in a row; 0 = off
  seed_loop: str = "auto"  # seeds of one device: map, vmap; auto = map on CPU
  devices: int = 0  # used; 0 = all, but that CPU cores share no small batch


@dataclasses.dataclass
class DiagnosticsConfig:
  """What is measured inside back-propagation through time, and how often."""

  adjoint: bool = True  # adjoint of every step and layer, in the logged train step
  saturation: bool = True  # saturated units of every gate, in the same step
  weights: bool = True  # each step's share of the recurrent weights' gradients, too
  lag_every: int = 50  # lag gain, spectra, truncation bias; n x log_every; 0 = never
  lag_examples: int = 32  # sequences of the lag gain
  lag_probes: int = 4  # random directions of the rms curve; 0 = all (exact)
  exponents_every: int = 0  # Lyapunov exponents; a multiple of log_every; 0 = never
  exponents: int = 8  # the largest so many of each layer, as many as its state has
  exponents_examples: int = 4  # sequences that they are measured on


@dataclasses.dataclass
class FlossingConfig:
  """Gradient flossing (Engelken 2023): pushes Lyapunov exponents to zero."""

  before: int = 0  # updates of it before training, 0 = off
  weight: float = 0.0  # of its loss, added to the loss in training; 0 = off
  exponents: int = 8  # the largest so many of each layer, as many as its state has
  horizon: int = 0  # first steps of a sequence that they are taken over; 0 = all
  examples: int = 4  # sequences of an update; in training of the batch's
  learning_rate: float = 1e-3  # of the updates before training (Adam)


@dataclasses.dataclass
class Config:
  """One run: S seeds of one model on one task or data set."""

  seeds: int = 1  # independent trainings in one program
  seed: int = 0  # the first of them; seed s uses key(seed + s) whatever `seeds` is
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  task: TaskConfig = dataclasses.field(default_factory=TaskConfig)
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
  regularizer: RegularizerConfig = dataclasses.field(default_factory=RegularizerConfig)
  train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
  flossing: FlossingConfig = dataclasses.field(default_factory=FlossingConfig)
  diagnostics: DiagnosticsConfig = dataclasses.field(default_factory=DiagnosticsConfig)
