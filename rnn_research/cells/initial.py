"""How parameters start: our own choice, and the defaults of four libraries.

Ours: input matrices LeCun normal (variance 1/inputs), recurrent matrices orthogonal
gate by gate, biases zero, forget bias 1 (Jozefowicz et al. 2015). The libraries
differ enough to confound a comparison of cells (an orthogonal draw of the fused
(H, 4H) matrix leaves each gate with singular values of rms 1/2), hence `like`.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.nn import initializers
from jaxtyping import Float

from rnn_research.array_types import Array, Key
from rnn_research.cells.critical import critical_spread
from rnn_research.cells.orthogonal import orthogonal


def _identity(key: Key, shape: tuple[int, int], dtype=None) -> Array:
  """The identity (IRNN: Le, Jaitly and Hinton 2015), cut to the shape."""
  return jnp.eye(*shape, dtype=dtype)


def _gaussian(key: Key, shape: tuple[int, int], dtype=None) -> Array:
  """Entries of variance 1/rows: spectral radius 1 for large square matrices."""
  return jax.random.normal(key, shape, dtype) / jnp.sqrt(shape[0]).astype(dtype)


def _normal(key: Key, shape: tuple[int, int], dtype=None) -> Array:
  """Entries of variance 1: the gain is their standard deviation, whatever the size."""
  return jax.random.normal(key, shape, dtype)


def _uniform(key: Key, shape: tuple[int, int], dtype=None) -> Array:
  """Entries uniform in +-1/sqrt(columns)."""
  bound = shape[1] ** -0.5
  return jax.random.uniform(key, shape, dtype, -bound, bound)


RECURRENT: dict[str, Callable[..., Array]] = {
  "orthogonal": orthogonal,
  "identity": _identity,
  "gaussian": _gaussian,
  "normal": _normal,
  "critical": _gaussian,  # times what `critical_spread` says
  "uniform": _uniform,
}

PRESETS = ("torch", "keras", "flax", "haiku")
_FORGET_BIAS = {"": 1.0, "torch": 0.0, "keras": 1.0, "flax": 0.0, "haiku": 1.0}


def _gatewise(draw: Callable[..., Array], key, rows, hidden, gates) -> Array:
  keys = jax.random.split(key, gates)
  blocks = [draw(k, (rows, hidden), float) for k in keys]
  return jnp.concatenate(blocks, axis=1)


def _torch(key: Key, shape: tuple[int, int], hidden: int) -> Array:
  """Uniform in +-1/sqrt(hidden), whatever it is of (PyTorch)."""
  bound = hidden**-0.5
  return jax.random.uniform(key, shape, float, -bound, bound)


def _truncated(key: Key, shape: tuple[int, int], fan_in: int) -> Array:
  """Normal cut at two standard deviations, not rescaled for the cut (Haiku)."""
  draw = jax.random.truncated_normal(key, -2.0, 2.0, shape, float)
  return draw * fan_in**-0.5


@dataclasses.dataclass(frozen=True)
class Initial:
  """A scheme for the parameters of any cell.

  Attributes:
    like: "torch", "keras", "flax" or "haiku" draw as that library does by default;
      it selects initialisers only, never a variant of the cell. "" is ours.
    recurrent: a name in `RECURRENT`, drawn gate by gate; unused with `like`.
    drive: of "critical", variance of W x + b over units and time; LeCun normal input
      weights make it the mean square of an input entry.
    gain: factor on every recurrent matrix.
    input_scale: factor on every input matrix.
    forget_bias: bias of the LSTM's forget gate; None leaves the preset's own.
    chrono: longest time scale T_max; forget biases ln U[1, T_max - 1] and input
      biases their negative (Tallec and Ollivier 2018); 0 is off.
  """

  like: str = ""
  recurrent: str = "orthogonal"
  drive: float = 0.0
  gain: float = 1.0
  input_scale: float = 1.0
  forget_bias: float | None = None
  chrono: int = 0

  def input_kernel(
    self, key: Key, inputs: int, hidden: int, gates: int, family: str
  ) -> Float[Array, "inputs columns"]:
    """The map from input to all gates, (inputs, gates * hidden)."""
    shape = (inputs, gates * hidden)
    match self.like:
      case "torch":
        draw = _torch(key, shape, hidden)
      case "keras":
        draw = initializers.glorot_uniform()(key, shape, float)
      case "haiku" if family == "lstm":  # one matrix over [x; h]: joint fan-in
        draw = _truncated(key, shape, inputs + hidden)
      case "haiku" if family == "gru":
        scaled = initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        draw = scaled(key, shape, float)
      case "haiku":
        draw = _truncated(key, shape, inputs)
      case _:  # ours and Flax
        draw = initializers.lecun_normal()(key, shape, float)
    return self.input_scale * draw

  def recurrent_kernel(
    self, key: Key, rows: int, hidden: int, gates: int, family: str, inputs: int
  ) -> Float[Array, "rows columns"]:
    """The map from hidden state to all gates, (rows, gates * hidden)."""
    shape = (rows, gates * hidden)
    match self.like:
      case "torch":
        draw = _torch(key, shape, hidden)
      case "keras":  # orthogonal as one fused matrix
        draw = orthogonal(key, shape)
      case "flax":
        draw = _gatewise(RECURRENT["orthogonal"], key, rows, hidden, gates)
      case "haiku" if family == "lstm":
        draw = _truncated(key, shape, inputs + rows)
      case "haiku" if family == "gru":
        scaled = initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        draw = scaled(key, shape, float)
      case "haiku":
        draw = _truncated(key, shape, rows)
      case _:
        draw = _gatewise(RECURRENT[self.recurrent], key, rows, hidden, gates)
        if self.recurrent == "critical":
          draw = critical_spread(self.drive) * draw
    return self.gain * draw

  def projection_kernel(
    self, key: Key, hidden: int, size: int
  ) -> Float[Array, "hidden size"]:
    """The LSTM's map from its memory to a smaller h; of the four, PyTorch has one."""
    if self.like == "torch":
      return _torch(key, (hidden, size), hidden)
    return initializers.lecun_normal()(key, (hidden, size), float)

  def bias(
    self, key: Key, hidden: int, columns: int, vectors: int = 1
  ) -> Float[Array, "columns"]:
    """A bias that stands for `vectors` of a library that keeps input and hidden's."""
    if self.like != "torch":
      return jnp.zeros((columns,), float)
    return _torch(key, (vectors, columns), hidden).sum(0)

  def forget_offset(self) -> float:
    """What is added to the bias of a forget gate."""
    if self.forget_bias is None:
      return _FORGET_BIAS[self.like]
    return self.forget_bias

  def chrono_bias(self, key: Key, hidden: int) -> Float[Array, "hidden"]:
    """Forget biases whose time scales 1/(1 - sigmoid(b)) are uniform in [2, T_max]."""
    steps = jax.random.uniform(
      key, (hidden,), float, minval=1.0, maxval=self.chrono - 1.0
    )
    return jnp.log(steps)


OURS = Initial()
