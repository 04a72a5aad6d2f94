"""The cells that the laws are checked on, some of them written as a user would."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.cells import (
  GRU,
  LSTM,
  Cell,
  Elman,
  HiddenCarry,
  Residual,
  TimeResidual,
  TimeSkip,
  Variational,
  Zoneout,
  dense,
  zero_carry,
)

TIME, BATCH, SIZE, SITES, SOURCE = 5, 4, 4, 3, 3


@dataclasses.dataclass(frozen=True)
class MinGRU(Cell):
  """No product at all: h' = (1 - z) h + z W x (Feng et al. 2024)."""

  @property
  def products(self):
    """None."""
    return ()

  def init(self, key, input_size, hidden_size, initial=None):
    """Draws the input map."""
    shape = (input_size, 2 * hidden_size)
    return {"input": {"kernel": jax.random.normal(key, shape, float)}}

  def initial_carry(self, params, projection):
    """Zeros."""
    return HiddenCarry(zero_carry(projection, projection.shape[-1] // 2))

  def step(self, tape, params, carry, projection, noise, context):
    """The equation above."""
    gate, candidate = jnp.split(projection, 2, axis=-1)
    z = jax.nn.sigmoid(gate)
    return HiddenCarry((1 - z) * carry.hidden + z * candidate), {"update": z}


@dataclasses.dataclass(frozen=True)
class Attention(Cell):
  """A decoder that looks at `context`, (batch, source, hidden), in each step."""

  @property
  def products(self):
    """The query, and a GRU's matrix over [h; what was looked at]."""
    return (("query", dense), ("hidden", dense))

  def init(self, key, input_size, hidden_size, initial=None):
    """Draws dense maps."""
    k = jax.random.split(key, 3)
    size = hidden_size

    def kernel(key, rows, columns):
      scale = rows**-0.5
      return scale * jax.random.normal(key, (rows, columns), float)

    return {
      "input": {"kernel": kernel(k[0], input_size, 3 * size)},
      "query": {"kernel": kernel(k[1], size, size)},
      "hidden": {
        "kernel": kernel(k[2], 2 * size, 3 * size),
        "bias": jnp.zeros((size,), float),
      },
    }

  def initial_carry(self, params, projection):
    """Zeros."""
    return HiddenCarry(zero_carry(projection, projection.shape[-1] // 3))

  def step(self, tape, params, carry, projection, noise, context):
    """Dot-product attention, then a GRU step."""
    query = tape.product("query", carry.hidden)
    weights = jax.nn.softmax(jnp.einsum("bh,bsh->bs", query, context))
    seen = jnp.einsum("bs,bsh->bh", weights, context)

    def wider(name, value):
      return tape.product(name, jnp.concatenate([value, seen], axis=-1))

    tape_of_gru = dataclasses.replace(tape, product=wider)
    new, gates = GRU().step(tape_of_gru, params, carry, projection, noise, None)
    return new, gates | {"attention": weights}


@dataclasses.dataclass(frozen=True)
class Dropped(Elman):
  """Noise in what a product multiplies: recurrent dropout (Gal and Ghahramani)."""

  def noise(self, key, time, projection):
    """Zeros and twos."""
    shape = (time, *projection.shape)
    return 2 * jax.random.bernoulli(key, 0.5, shape).astype(projection.dtype)

  def step(self, tape, params, carry, projection, noise, context):
    """The Elman step from a state that is partly gone."""
    seen = carry.hidden if noise is None else noise * carry.hidden
    return HiddenCarry(jnp.tanh(projection + tape.product("hidden", seen))), {}


def convolve(weights, value):
  """A convolution along the second axis, (batch, sites, channels)."""
  return lax.conv_general_dilated(
    value,
    weights["kernel"],
    (1,),
    "SAME",
    dimension_numbers=("NWC", "WIO", "NWC"),
  )


@dataclasses.dataclass(frozen=True)
class ConvolutionalLSTM(LSTM):
  """An LSTM whose maps are convolutions: a product that is not dense."""

  peepholes: bool = True

  @property
  def products(self):
    """One convolution to all gates."""
    return (("hidden", convolve),)

  def init(self, key, input_size, hidden_size, initial=None):
    """Draws kernels (3, channels, 4 hidden)."""
    k = jax.random.split(key)
    size = hidden_size
    zeros = jnp.zeros((size,), float)

    def kernel(key, rows):
      shape = (3, rows, 4 * size)
      return jax.random.normal(key, shape, float) / (3 * rows) ** 0.5

    return {
      "input": {"kernel": kernel(k[0], input_size)},
      "hidden": {"kernel": kernel(k[1], size)},
      "peephole": {"i": zeros, "f": zeros, "o": zeros},
    }

  @property
  def input_operation(self):
    """A convolution of the input; a leading time axis is not needed here."""
    return convolve


class Subject(NamedTuple):
  """A cell and everything that one application of it takes."""

  cell: Cell
  params: Any
  xs: Any
  carry: Any
  context: Any
  lengths: Any
  resets: Any
  key: Any


CELLS = {
  "elman": Elman(),
  "elman_relu": Elman("relu"),
  "gru": GRU(),
  "gru_before": GRU(reset_after=False),
  "gru_layer_norm": GRU(layer_norm=True),
  "lstm": LSTM(),
  "lstm_peepholes": LSTM(peepholes=True),
  "lstm_coupled": LSTM(coupled=True),
  "lstm_projection": LSTM(projection=3),
  "lstm_layer_norm": LSTM(layer_norm=True),
  "lstm_everything": LSTM(peepholes=True, coupled=True, projection=3, layer_norm=True),
  "residual": Residual(GRU()),
  "zoneout": Zoneout(LSTM(), 0.3),
  "residual_zoneout": Residual(Zoneout(LSTM(peepholes=True), 0.3)),
  "time_skip": TimeSkip(Elman(layer_norm=True), 3),
  "variational": TimeSkip(Variational(LSTM(projection=3, peepholes=True), 0.3), 2),
  "wrapped": TimeSkip(
    Variational(TimeResidual(GRU(reset_after=False, layer_norm=True)), 0.3), 3
  ),
  "min_gru": MinGRU(),
  "dropped": Dropped(),
  "attention": Attention(),
  "convolutional": ConvolutionalLSTM(),
}
FAMILIES = ("elman", "gru", "lstm")


@functools.cache
def random_parameters(cell, seed, dtype):
  """Parameters with nothing left at zero or one."""
  k = jax.random.split(jax.random.key(seed))
  params = cell.init(k[0], SIZE, SIZE)
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(k[1], len(leaves))
  moved = [
    (leaf + 0.3 * jax.random.normal(key, leaf.shape, leaf.dtype)).astype(dtype)
    for key, leaf in zip(keys, leaves, strict=True)
  ]
  return jax.tree.unflatten(tree, moved)


def subject(name, dtype, seed=0):
  """A cell with random parameters, inputs, carry, lengths, resets and key.

  The lengths hold the longest, a middle one, 0 and 1; padding is NaN; resets fall
  on first steps, inside and on padding.
  """
  cell = CELLS[name]
  k = jax.random.split(jax.random.key(seed + 1), 4)
  params = random_parameters(cell, seed, dtype)
  sites = (SITES,) if name == "convolutional" else ()
  xs = jax.random.normal(k[0], (TIME, BATCH, *sites, SIZE), dtype)
  lengths = jnp.array([TIME, 3, 0, 1])
  padding = jnp.arange(TIME)[:, None] >= lengths[None]
  padding = padding.reshape(TIME, BATCH, *(1,) * (xs.ndim - 2))
  zeros = cell.initial_carry(params, cell.project(params["input"], xs[0]))
  leaves, tree = jax.tree.flatten(zeros)
  keys = jax.random.split(k[1], len(leaves))
  carry = [
    0.5 * jax.random.normal(key, leaf.shape, leaf.dtype)
    for key, leaf in zip(keys, leaves, strict=True)
  ]
  resets = jnp.array(
    [
      [False, True, False, True],
      [False, False, True, False],
      [True, True, False, True],
      [False, False, True, False],
      [True, True, False, False],
    ]
  )
  context = None
  if name == "attention":
    context = jax.random.normal(k[2], (BATCH, SOURCE, SIZE), dtype)
  return Subject(
    cell,
    params,
    jnp.where(padding, jnp.nan, xs),
    jax.tree.unflatten(tree, carry),
    context,
    lengths,
    resets,
    k[3],
  )
