"""What a GRU of Flax does to a gradient: the sum of two numbers, 60 steps apart."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnn_research.diagnostics.own import diagnose
from rnn_research.tasks import Adding

HIDDEN, LENGTH, BATCH = 32, 60, 64


def main():
  """Draws a cell and a batch, and prints the diagnosis."""
  keys = jax.random.split(jax.random.key(0), 3)
  batch = Adding(LENGTH).sample(keys[0], BATCH)
  cell, head = nn.GRUCell(HIDDEN), nn.Dense(1)
  carry = cell.initialize_carry(keys[1], batch.inputs.shape[1:])
  params = {
    "cell": cell.init(keys[1], carry, batch.inputs[0]),
    "head": head.init(keys[2], carry),
  }

  def step(params, carry, x):
    carry, y = cell.apply(params["cell"], carry, x)
    return carry, head.apply(params["head"], y)

  def loss(carry, ys):
    return jnp.square(ys[-1] - batch.targets).sum(-1)

  print(diagnose(step, params, carry, batch.inputs, loss))


if __name__ == "__main__":
  main()
