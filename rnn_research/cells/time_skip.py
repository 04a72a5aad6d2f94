"""Skip connections in time."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.cells.cell import dense
from rnn_research.cells.initial import OURS
from rnn_research.cells.wrapper import Wrapper


class SkippedCarry(NamedTuple):
  """The inner carry, s_t, and the hidden states h_{t-1}, ..., h_{t-k+1} before it."""

  inner: Any
  past: tuple[Float[Array, "*batch output"], ...]

  @property
  def hidden(self) -> Array:
    """h_t."""
    return self.inner.hidden


@dataclasses.dataclass(frozen=True)
class TimeSkip(Wrapper):
  """A second recurrent weight, on the hidden state `skip` steps ago.

      s_t = inner(s_{t-1}, W x_t + V h_{t-k})

  A connection that skips k steps has weights of its own and is added before the
  nonlinearity, in all gates (Zhang et al. 2016, section 5; Lin et al. 1996): the
  shortest way from step t to t + n k is n steps long, a recurrent skip coefficient
  of k. V is drawn like the inner cell's recurrent matrix; where that of a library has
  a rule for each cell (Haiku), like its simplest one's. Before step k, h is 0.

  The carry holds k hidden states, so the lag gain is that of all of them.

  Parameters: the inner cell's, and skip {kernel (output, columns)}.

  Attributes:
    skip: k, at least 2.
  """

  skip: int = 2

  @property
  def products(self):
    """The inner cell's, and V."""
    return (*self.inner.products, ("skip", dense))

  @property
  def gate_order(self):
    """V has the columns of the inner input map, and thus no names of its own."""
    return self.inner.gate_order

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws the inner cell's parameters, and V."""
    inner_key, skip_key = jax.random.split(key)
    params = self.inner.init(inner_key, input_size, hidden_size, initial)
    gates = params["input"]["kernel"].shape[-1] // hidden_size
    kernel = initial.recurrent_kernel(
      skip_key,
      self.inner.output_size(hidden_size),
      hidden_size,
      gates,
      "skip",
      input_size,
    )
    return params | {"skip": {"kernel": kernel}}

  def initial_carry(self, params, projection):
    """The inner cell's, after zeros."""
    carry = self.inner.initial_carry(params, projection)
    zeros = jnp.zeros_like(carry.hidden)
    return SkippedCarry(carry, (zeros,) * (self.skip - 1))

  def step(self, tape, params, carry, projection, noise, context):
    """The inner step, with V h_{t-k} beside the input."""
    projection = projection + tape.product("skip", carry.past[-1])
    new, gates = self.inner.step(tape, params, carry.inner, projection, noise, context)
    return SkippedCarry(new, (carry.hidden, *carry.past[:-1])), gates

  def output(self, carry, x):
    """The inner cell's."""
    return self.inner.output(carry.inner, x)
