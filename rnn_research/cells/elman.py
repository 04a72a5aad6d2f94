"""The Elman network."""

import dataclasses
from typing import NamedTuple

import jax
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.cells.cell import Cell, Joined, dense, zero_carry
from rnn_research.cells.initial import OURS
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
  """

  activation: str = "tanh"

  @property
  def products(self):
    """The recurrent matrix."""
    return (("hidden", dense),)

  @property
  def joined(self):
    """W x and U h."""
    return Joined("hidden", 1, 1)

  @property
  def gate_order(self):
    """One matrix, no gates."""
    return {"hidden": ("hidden",)}

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws {"input", "hidden"}."""
    k = jax.random.split(key, 3)
    family = "elman"
    return {
      "input": {
        "kernel": initial.input_kernel(k[0], input_size, hidden_size, 1, family),
        "bias": initial.bias(k[1], hidden_size, hidden_size, vectors=2),
      },
      "hidden": {
        "kernel": initial.recurrent_kernel(
          k[2], hidden_size, hidden_size, 1, family, input_size
        )
      },
    }

  def initial_carry(self, params, projection):
    """Zeros."""
    return HiddenCarry(zero_carry(projection, projection.shape[-1]))

  def step(self, tape, params, carry, projection, noise, context):
    """The equation above; no gates, but a tanh that can saturate like one."""
    phi = ACTIVATIONS[self.activation]
    h = phi(tape, projection + tape.product("hidden", carry.hidden))
    return HiddenCarry(h), {"hidden": h} if self.activation == "tanh" else {}
