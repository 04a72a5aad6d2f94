"""The long short-term memory and its options."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.cells.cell import Cell, Joined, dense, zero_carry
from rnn_research.cells.initial import OURS
from rnn_research.cells.layer_norm import normalise


class MemoryCarry(NamedTuple):
  """The LSTM's state: c, and h which the gates and the layer above see."""

  memory: Float[Array, "*batch hidden"]
  hidden: Float[Array, "*batch output"]


@dataclasses.dataclass(frozen=True)
class LSTM(Cell):
  """The LSTM with forget gate; gates in the order i, f, g, o.

      i = sigma(W_i x + b_i + U_i h + p_i * c)
      f = sigma(W_f x + b_f + U_f h + p_f * c)
      g = tanh(W_g x + b_g + U_g h)
      c' = f * c + i * g
      o = sigma(W_o x + b_o + U_o h + p_o * c')
      h' = P (o * tanh(c'))

  Hochreiter and Schmidhuber 1997; forget gate: Gers, Schmidhuber and Cummins 2000.
  One bias per gate, on the input; the forget bias (1 by default) is part of it.

  Attributes:
    peepholes: the terms p (Gers, Schraudolph and Schmidhuber 2002); the output gate
      looks at the new memory.
    coupled: i = 1 - f (Greff et al. 2016); the gates are then f, g, o.
    projection: rows of P (Sak, Senior and Beaufays 2014), the size of h; 0 leaves P
      out and h has the size of c.
    layer_norm: normalises both products, each over all gates at once, and the
      memory on its way to h (Ba, Kiros and Hinton 2016, eq. 20-22).

  Parameters: input {kernel (inputs, G hidden), bias (G hidden)}, hidden {kernel
  (output, G hidden)} with G = 4 (coupled: 3); peephole {i, f, o: (hidden)};
  projection {kernel (hidden, projection)}. With layer_norm the input bias moves
  behind the norm: norm_input {scale, bias}, norm_hidden {scale}, norm_memory
  {scale, bias}.

  `memory` is a probe: its total adjoint is dl/dc + (dh/dc)' dl/dh, the sum of both
  ways on from c.
  """

  peepholes: bool = False
  coupled: bool = False
  projection: int = 0
  layer_norm: bool = False

  @property
  def gates(self) -> tuple[str, ...]:
    """Gates that have weights, in the order of the kernels' columns."""
    return ("f", "g", "o") if self.coupled else ("i", "f", "g", "o")

  @property
  def products(self):
    """The recurrent matrix, and P if there is one."""
    if self.projection:
      return (("hidden", dense), ("projection", dense))
    return (("hidden", dense),)

  @property
  def joined(self):
    """W x and U h, unless each is normalised by itself."""
    return () if self.layer_norm else (Joined("hidden", len(self.gates)),)

  @property
  def gate_order(self):
    """The gates above, by their full names."""
    names = {"i": "input", "f": "forget", "g": "candidate", "o": "output"}
    order = {"hidden": tuple(names[gate] for gate in self.gates)}
    if self.projection:
      order["projection"] = ("projection",)
    return order

  @property
  def probes(self):
    """The new memory c'."""
    return ("memory",)

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws the parameters named above; `chrono` biases f, and i by its negative."""
    k = jax.random.split(key, 7)
    size, gates, family = hidden_size, len(self.gates), "lstm"
    rows = self.output_size(size)
    columns = gates * size
    bias = self._biases(k, size, initial)
    params = {
      "input": {
        "kernel": initial.input_kernel(k[0], input_size, size, gates, family),
      },
      "hidden": {
        "kernel": initial.recurrent_kernel(k[2], rows, size, gates, family, input_size)
      },
    }
    ones, zeros = jnp.ones((size,), float), jnp.zeros((size,), float)
    if self.layer_norm:
      params["norm_input"] = {"scale": jnp.ones_like(bias), "bias": bias}
      params["norm_hidden"] = {"scale": jnp.ones((columns,), float)}
      params["norm_memory"] = {"scale": ones, "bias": zeros}
    else:
      params["input"]["bias"] = bias
    if self.peepholes:
      names = ("f", "o") if self.coupled else ("i", "f", "o")
      params["peephole"] = {name: zeros for name in names}
    if self.projection:
      kernel = initial.projection_kernel(k[3], size, self.projection)
      params["projection"] = {"kernel": kernel}
    return params

  def _biases(self, k, size, initial):
    bias = initial.bias(k[1], size, len(self.gates) * size, vectors=2)
    at = {name: slice(n * size, (n + 1) * size) for n, name in enumerate(self.gates)}
    if not initial.chrono:
      return bias.at[at["f"]].add(initial.forget_offset())
    forget = initial.chrono_bias(k[4], size)
    bias = bias.at[at["f"]].set(forget)
    return bias if self.coupled else bias.at[at["i"]].set(-forget)

  def initial_carry(self, params, projection):
    """Zeros for c and h."""
    size = projection.shape[-1] // len(self.gates)
    hidden = self.output_size(size)
    return MemoryCarry(zero_carry(projection, size), zero_carry(projection, hidden))

  def step(self, tape, params, carry, projection, noise, context):
    """The equations above; gates `input`, `forget`, `candidate`, `output`."""
    c, from_input = carry.memory, projection
    from_hidden = tape.product("hidden", carry.hidden)
    if self.layer_norm:
      from_input = normalise(from_input, **params["norm_input"])
      from_hidden = normalise(from_hidden, **params["norm_hidden"])
    parts = jnp.split(from_input + from_hidden, len(self.gates), axis=-1)
    before = dict(zip(self.gates, parts, strict=True))
    if self.peepholes:
      for name in ("i", "f"):
        if name in before:
          before[name] = before[name] + params["peephole"][name] * c
    f, g = tape.sigmoid(before["f"]), tape.tanh(before["g"])
    i = 1 - f if self.coupled else tape.sigmoid(before["i"])
    c = tape.probe("memory", f * c + i * g)
    if self.peepholes:
      before["o"] = before["o"] + params["peephole"]["o"] * c
    o = tape.sigmoid(before["o"])
    seen = normalise(c, **params["norm_memory"]) if self.layer_norm else c
    # Not recorded: the carry holds c, and one tanh costs less than its storage.
    h = o * jnp.tanh(seen)
    if self.projection:
      h = tape.product("projection", h)
    gates = {"input": i, "forget": f, "candidate": g, "output": o}
    return MemoryCarry(c, h), gates

  def output_size(self, hidden_size):
    """The projected size, or the memory's."""
    return self.projection or hidden_size
