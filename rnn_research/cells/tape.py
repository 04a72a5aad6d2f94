"""What a cell's step computes with, supplied by whoever runs the step."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Params


def _apply(function: Callable[[Array], Array], value: Array) -> Array:
  return function(value)


def _pass(name: str, value: Array) -> Array:
  return value


def identity(value: Array) -> Array:
  """The value itself."""
  return value


@dataclasses.dataclass(frozen=True)
class Tape:
  """The operations of a step that are worth recording and playing back.

  A forward scan records them, the backward scan plays them back, streaming
  inference just computes. A cell that uses plain functions in place of `sigmoid`,
  `tanh`, `relu` and `keep` has the same gradients; only more of it is computed twice.

  Attributes:
    product: (name, value) -> result of the recurrent weight of that name.
    activation: (function, value) -> function(value), entry by entry.
    probe: (name, value) -> value; for the names in the cell's `probes`, a tap can
      read the total derivative of the loss with respect to it.
  """

  product: Callable[[str, Array], Array]
  activation: Callable[[Callable[[Array], Array], Array], Array] = _apply
  probe: Callable[[str, Array], Array] = _pass

  def sigmoid(self, value: Array) -> Array:
    """1 / (1 + exp(-value)), recorded."""
    return self.activation(jax.nn.sigmoid, value)

  def tanh(self, value: Array) -> Array:
    """The hyperbolic tangent, recorded."""
    return self.activation(jnp.tanh, value)

  def relu(self, value: Array) -> Array:
    """max(value, 0), recorded; its derivative at 0 is 0."""
    return self.activation(jax.nn.relu, value)

  def keep(self, value: Array) -> Array:
    """The value, recorded: for a part of a product that a later factor needs."""
    return self.activation(identity, value)


def multiplying(cell, params: Params) -> Tape:
  """A tape that records nothing."""
  operations = dict(cell.products)
  return Tape(lambda name, value: operations[name](params[name], value))
