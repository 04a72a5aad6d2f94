"""What the adjoint keeps of a sequence: no more than autodiff, stack by stack."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.cells import GRU, LSTM, Elman
from rnn_research.unroll import unroll

# Enough entries that no product over time and batch copies its values first.
TIME, BATCH, INPUTS, HIDDEN = 3000, 32, 4, 64


def planned_stacks(cell, adjoint: str, arguments) -> float:
  """Temporary memory of a gradient, in arrays of (time, batch, hidden)."""

  def loss(params, xs):
    carry, _ = unroll(cell, params, xs, adjoint=adjoint)
    return jnp.square(carry.hidden).sum()

  draw = jax.eval_shape(lambda: cell.init(jax.random.key(0), INPUTS, HIDDEN))
  xs = jax.ShapeDtypeStruct((TIME, BATCH, INPUTS), jnp.float32)
  compiled = jax.jit(jax.grad(loss, arguments)).lower(draw, xs).compile()
  stack = TIME * BATCH * HIDDEN * jnp.dtype(jnp.float32).itemsize
  return compiled.memory_analysis().temp_size_in_bytes / stack


@pytest.mark.parametrize("arguments", [0, (0, 1)], ids=["parameters", "and_inputs"])
@pytest.mark.parametrize(
  ("cell", "stacks"),
  [
    (Elman(), 3),  # h before and behind a step; the cotangent
    (GRU(), 8),  # h, r, z, n, U_n h; cotangents of three gates
    (GRU(reset_after=False), 8),  # h, r, z, n, r h; the same
    (LSTM(), 10),  # h, c, four gates; cotangents of those
  ],
  ids=["elman", "gru", "gru_before", "lstm"],
)
def test_every_array_is_stacked_once(cell, stacks, arguments):
  """Nothing is kept twice, and nothing that the backward pass can do without."""
  fused = planned_stacks(cell, "fused", arguments)
  assert fused <= stacks + 0.1
  assert fused < planned_stacks(cell, "autodiff", arguments)
