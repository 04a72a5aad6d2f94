"""The Elman network."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.cells.cell import Cell, Joined, dense, zero_carry
from rnn_research.cells.initial import OURS
from rnn_research.cells.layer_norm import normalise
from rnn_research.cells.tape import Tape

ACTIVATIONS = {"tanh": Tape.tanh, "relu": Tape.relu}


class HiddenCarry(NamedTuple):
  """A carry that is the hidden state alone."""

  hidden: Float[Array, "*batch hidden"]


@dataclasses.dataclass(frozen=True)
class Elman(Cell):
  """The Elman network (Elman 1990), with tanh or relu.

      h_t = phi(W x_t + b + U h_{t-1})

  One bias, on the input. Parameters: input {kernel (inputs, hidden), bias
  (hidden)}, hidden {kernel (hidden, hidden)}. With relu, `recurrent="identity"`
  and a small input matrix it is the IRNN of Le, Jaitly and Hinton (2015).

  Attributes:
    activation: phi, "tanh" or "relu".
    layer_norm: normalises what phi sees, the sum (Ba, Kiros and Hinton 2016, eq. 4).
      The bias then stands behind the norm: norm {scale, bias}.
  """

  activation: str = "tanh"
  layer_norm: bool = False

  @property
  def products(self):
    """The recurrent matrix."""
    return (("hidden", dense),)

  @property
  def joined(self):
    """W x and U h: also a norm sees only their sum."""
    return (Joined("hidden", 1),)

  @property
  def gate_order(self):
    """One matrix, no gates."""
    return {"hidden": ("hidden",)}

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws {"input", "hidden"}, and "norm" if there is one."""
    k = jax.random.split(key, 3)
    family = "elman"
    bias = initial.bias(k[1], hidden_size, hidden_size, vectors=2)
    params = {
      "input": {
        "kernel": initial.input_kernel(k[0], input_size, hidden_size, 1, family)
      },
      "hidden": {
        "kernel": initial.recurrent_kernel(
          k[2], hidden_size, hidden_size, 1, family, input_size
        )
      },
    }
    if self.layer_norm:
      return params | {"norm": {"scale": jnp.ones_like(bias), "bias": bias}}
    return params | {"input": params["input"] | {"bias": bias}}

  def initial_carry(self, params, projection):
    """Zeros."""
    return HiddenCarry(zero_carry(projection, projection.shape[-1]))

  def step(self, tape, params, carry, projection, noise, context):
    """The equation above; no gates, but a tanh that can saturate like one."""
    phi = ACTIVATIONS[self.activation]
    before = projection + tape.product("hidden", carry.hidden)
    if self.layer_norm:
      before = normalise(before, **params["norm"])
    h = phi(tape, before)
    return HiddenCarry(h), {"hidden": h} if self.activation == "tanh" else {}
