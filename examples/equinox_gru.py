"""What a GRU of Equinox does to a gradient: which of two symbols came first."""

import equinox as eqx
import jax
import jax.numpy as jnp

from rnn_research.diagnostics.own import diagnose
from rnn_research.tasks import TemporalOrder

HIDDEN, LENGTH, BATCH = 32, 60, 64


def main():
  """Draws a cell and a batch, and prints the diagnosis."""
  keys = jax.random.split(jax.random.key(0), 3)
  task = TemporalOrder(LENGTH)
  batch = task.sample(keys[0], BATCH)
  problem = task.problem
  cell = eqx.nn.GRUCell(problem.input_size, HIDDEN, key=keys[1])
  head = eqx.nn.Linear(HIDDEN, problem.output_size, key=keys[2])

  def step(params, carry, x):
    cell, head = params
    carry = jax.vmap(cell)(x, carry)
    return carry, jax.vmap(head)(carry)

  def loss(carry, ys):
    chosen = jax.nn.log_softmax(ys[-1])
    return -jnp.take_along_axis(chosen, batch.targets[:, None], axis=1)[:, 0]

  carry = jnp.zeros((BATCH, HIDDEN))
  print(diagnose(step, (cell, head), carry, batch.inputs, loss))


if __name__ == "__main__":
  main()
