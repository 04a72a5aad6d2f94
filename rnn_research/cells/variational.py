"""Dropout inside the recurrence, with one mask a sequence."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells.wrapper import Wrapper

# P of an LSTM makes the hidden state; it doesn't see the one before.
UNDROPPED = ("projection",)


class VariationalNoise(NamedTuple):
  """What the hidden state is multiplied by, and what the inner cell drew."""

  mask: Any
  inner: Any


@dataclasses.dataclass(frozen=True)
class Variational(Wrapper):
  """Every recurrent product sees h_{t-1} through a mask that no step changes.

      U h_{t-1} becomes U (m * h_{t-1}),   m ~ Bernoulli(1 - rate) / (1 - rate)

  Gal and Ghahramani 2016, eq. 6-7 with tied masks: one mask an example, the same in
  all gates and steps; what else the step does with h_{t-1} (a GRU's z * h) sees all
  of it. Without a key m is its expectation, 1. Dropout between layers is the model's
  (`model.dropout`, and its own `model.variational`).

  Resets draw no new mask: it belongs to a row of the batch.
  """

  rate: float = 0.1

  def noise(self, key, time, projection):
    """The same mask at every step, in the projection's float type."""
    mask_key, inner_key = jax.random.split(key)
    # Only shapes are needed, and no inner cell's carry shape depends on parameters.
    carry = jax.eval_shape(lambda z: self.inner.initial_carry({}, z), projection)
    hidden = carry.hidden
    kept = jax.random.bernoulli(mask_key, 1 - self.rate, hidden.shape)
    mask = kept.astype(hidden.dtype) / (1 - self.rate)
    return VariationalNoise(
      jnp.broadcast_to(mask[None], (time, *mask.shape)),
      self.inner.noise(inner_key, time, projection),
    )

  def step(self, tape, params, carry, projection, noise, context):
    """The inner step, its products masked."""
    if noise is None:
      return self.inner.step(tape, params, carry, projection, None, context)

    def masked(name, value):
      return tape.product(name, value if name in UNDROPPED else noise.mask * value)

    return self.inner.step(
      dataclasses.replace(tape, product=masked),
      params,
      carry,
      projection,
      noise.inner,
      context,
    )
