"""The gated recurrent unit, in its two variants."""

import dataclasses

import jax
import jax.numpy as jnp

from rnn_research.cells.cell import Cell, Joined, dense, zero_carry
from rnn_research.cells.elman import HiddenCarry
from rnn_research.cells.initial import OURS
from rnn_research.cells.layer_norm import normalise


@dataclasses.dataclass(frozen=True)
class GRU(Cell):
  """The gated recurrent unit (Cho et al. 2014); gates in the order r, z, n.

      r = sigma(W_r x + b_r + U_r h)
      z = sigma(W_z x + b_z + U_z h)
      n = tanh(W_n x + b_n + r * (U_n h + c_n))      reset_after=True
      n = tanh(W_n x + b_n + U_n (r * h))            reset_after=False
      h' = (1 - z) * n + z * h

  z keeps the old state, as in PyTorch and Keras (Cho's z; Haiku's is 1 - z).
  `reset_after` is the variant of cuDNN, PyTorch, Keras 2+ and Flax; the original
  multiplies by r before the product. The two are different functions.

  Biases: one per gate, on the input, and c_n, which r makes independent of b_n.
  Parameters: input {kernel (inputs, 3 hidden), bias (3 hidden)}; reset after:
  hidden {kernel (hidden, 3 hidden), bias (hidden)}; reset before: gates {kernel
  (hidden, 2 hidden)}, candidate {kernel (hidden, hidden)}.

  Attributes:
    reset_after: the variant, see above.
    layer_norm: normalises W x and U h each by itself, the gates r and z together and
      the candidate alone (Ba, Kiros and Hinton 2016, supplement: GRU). The biases move
      behind the norms: norm_input_gates {scale, bias}, norm_input_candidate {scale,
      bias}, norm_hidden_gates {scale}, norm_hidden_candidate {scale; reset after:
      bias}.
  """

  reset_after: bool = True
  layer_norm: bool = False

  @property
  def products(self):
    """One matrix of three gates, or the gates and then the candidate."""
    if self.reset_after:
      return (("hidden", dense),)
    return (("gates", dense), ("candidate", dense))

  @property
  def joined(self):
    """W x and U h, unless each is normalised; r may multiply the candidate's."""
    if self.layer_norm:
      return ()
    if self.reset_after:
      return Joined("hidden", 2), Joined("hidden", 1, by="reset")
    return Joined("gates", 2), Joined("candidate", 1)

  @property
  def gate_order(self):
    """Reset, update, candidate."""
    if self.reset_after:
      return {"hidden": ("reset", "update", "candidate")}
    return {"gates": ("reset", "update"), "candidate": ("candidate",)}

  def init(self, key, input_size, hidden_size, initial=OURS):
    """Draws the parameters named above; `chrono` biases the update gate."""
    k = jax.random.split(key, 6)
    size, family = hidden_size, "gru"
    # The gates r and z stand for two biases of libraries that keep both; b_n is one.
    bias = jnp.concatenate(
      [
        initial.bias(k[1], size, 2 * size, vectors=2),
        initial.bias(k[5], size, size, vectors=1 if self.reset_after else 2),
      ]
    )
    if initial.chrono:
      bias = bias.at[size : 2 * size].set(initial.chrono_bias(k[4], size))
    kernel = initial.recurrent_kernel(k[2], size, size, 3, family, input_size)
    inputs = {"kernel": initial.input_kernel(k[0], input_size, size, 3, family)}
    if self.reset_after:
      recurrent = {"hidden": {"kernel": kernel}}
      hidden_bias = {"bias": initial.bias(k[3], size, size)}
    else:
      recurrent = {
        "gates": {"kernel": kernel[:, : 2 * size]},
        "candidate": {"kernel": kernel[:, 2 * size :]},
      }
      hidden_bias = {}
    if not self.layer_norm:
      if self.reset_after:
        recurrent["hidden"] |= hidden_bias
      return {"input": inputs | {"bias": bias}} | recurrent
    ones = jnp.ones_like(bias)
    gates, candidate = slice(2 * size), slice(2 * size, None)
    return {
      "input": inputs,
      **recurrent,
      "norm_input_gates": {"scale": ones[gates], "bias": bias[gates]},
      "norm_input_candidate": {"scale": ones[candidate], "bias": bias[candidate]},
      "norm_hidden_gates": {"scale": ones[gates]},
      "norm_hidden_candidate": {"scale": ones[candidate]} | hidden_bias,
    }

  def initial_carry(self, params, projection):
    """Zeros."""
    return HiddenCarry(zero_carry(projection, projection.shape[-1] // 3))

  def step(self, tape, params, carry, projection, noise, context):
    """The equations above; gates `reset`, `update` and `candidate`."""
    h = carry.hidden
    if self.layer_norm:
      projection = _normalise_parts(projection, params, "input")
    x_r, x_z, x_n = jnp.split(projection, 3, axis=-1)
    if self.reset_after:
      from_hidden = tape.product("hidden", h)
      if self.layer_norm:
        from_hidden = _normalise_parts(from_hidden, params, "hidden")
      h_r, h_z, h_n = jnp.split(from_hidden, 3, axis=-1)
      r, z = tape.sigmoid(x_r + h_r), tape.sigmoid(x_z + h_z)
      n = tape.tanh(x_n + r * tape.keep(h_n))
    else:
      from_hidden = tape.product("gates", h)
      if self.layer_norm:
        from_hidden = normalise(from_hidden, **params["norm_hidden_gates"])
      h_r, h_z = jnp.split(from_hidden, 2, axis=-1)
      r, z = tape.sigmoid(x_r + h_r), tape.sigmoid(x_z + h_z)
      h_n = tape.product("candidate", r * h)
      if self.layer_norm:
        h_n = normalise(h_n, **params["norm_hidden_candidate"])
      n = tape.tanh(x_n + h_n)
    new = HiddenCarry((1 - z) * n + z * h)
    return new, {"reset": r, "update": z, "candidate": n}


def _normalise_parts(value, params, side):
  """The gates r and z together, the candidate by itself."""
  size = value.shape[-1] // 3
  parts = jnp.split(value, [2 * size], axis=-1)
  return jnp.concatenate(
    [
      normalise(part, **params[f"norm_{side}_{name}"])
      for name, part in zip(("gates", "candidate"), parts, strict=True)
    ],
    axis=-1,
  )
