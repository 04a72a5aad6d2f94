"""Losses over supervised positions, as sums and counts; the caller divides once."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Float

from rnn_research.array_types import Array, Scalar
from rnn_research.problem import Batch, Problem


class Tally(NamedTuple):
  """Sums over a batch; tallies of parts add up to that of the whole.

  Attributes:
    loss: summed loss, nats or squared error.
    count: summed weights of the supervised positions.
    wrong_sequences: sequences with a wrong supervised position.
    sequences: sequences with a supervised position.
    wrong_positions: wrong supervised positions.
  """

  loss: Scalar
  count: Scalar
  wrong_sequences: Scalar
  sequences: Scalar
  wrong_positions: Scalar


def position_losses(
  problem: Problem, outputs: Float[Array, "*position outputs"], batch: Batch
) -> Float[Array, "*position"]:
  """Weighted loss of each position; what an example's own loss sums up."""
  # Selected, not multiplied, and before the loss as well as behind it: what stands on
  # padding may be anything, and must spread neither forward nor back.
  supervised = batch.weights > 0
  outputs = jnp.where(supervised[..., None], outputs, 0)
  if problem.loss == "cross_entropy":
    targets = jnp.where(supervised, batch.targets, 0)
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
  else:
    targets = jnp.where(supervised[..., None], batch.targets, 0)
    losses = jnp.square(outputs - targets).sum(-1)
  return jnp.where(supervised, losses * batch.weights, 0)


def tally(
  problem: Problem, outputs: Float[Array, "*position outputs"], batch: Batch
) -> Tally:
  """Loss and errors of one batch."""
  losses = position_losses(problem, outputs, batch)
  if problem.loss == "cross_entropy":
    wrong = outputs.argmax(-1) != batch.targets
  else:
    wrong = jnp.square(outputs - batch.targets).sum(-1) > problem.tolerance
  supervised = batch.weights > 0
  wrong = supervised & (wrong | ~jnp.isfinite(outputs).all(-1))
  over_time = tuple(range(wrong.ndim - 1))  # the batch is the last axis
  dtype = losses.dtype
  return Tally(
    loss=losses.sum(),
    count=batch.weights.sum().astype(dtype),
    wrong_sequences=wrong.any(over_time).sum(dtype=dtype),
    sequences=supervised.any(over_time).sum(dtype=dtype),
    wrong_positions=wrong.sum(dtype=dtype),
  )
