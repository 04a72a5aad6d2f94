"""Zoneout: units that skip a step at random."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.cells.wrapper import Wrapper


class ZoneoutNoise(NamedTuple):
  """Which units keep their old value, and what the inner cell drew."""

  keep: Any
  inner: Any


@dataclasses.dataclass(frozen=True)
class Zoneout(Wrapper):
  """Each unit of the carry keeps its old value with probability `rate`.

      s_t = m_t * s_{t-1} + (1 - m_t) * inner(s_{t-1}, x_t),   m_t ~ Bernoulli(rate)

  Krueger et al. 2017, on every leaf of the carry (LSTM: c and h, one mask each).
  Without a key m_t is its expectation, as in evaluation. The inner cell's probes are
  values before the mask mixes in the old state.
  """

  rate: float = 0.1

  def noise(self, key, time, projection):
    """One mask per leaf of the carry and step, in the projection's float type."""
    mask_key, inner_key = jax.random.split(key)
    # Only shapes are needed, and no inner cell's carry shape depends on parameters.
    carry = jax.eval_shape(lambda z: self.inner.initial_carry({}, z), projection)
    leaves, tree = jax.tree.flatten(carry)
    keys = jax.random.split(mask_key, len(leaves))
    masks = [
      jax.random.bernoulli(k, self.rate, (time, *leaf.shape)).astype(leaf.dtype)
      for k, leaf in zip(keys, leaves, strict=True)
    ]
    return ZoneoutNoise(
      jax.tree.unflatten(tree, masks),
      self.inner.noise(inner_key, time, projection),
    )

  def step(self, tape, params, carry, projection, noise, context):
    """The inner step, mixed with the old carry."""
    new, gates = self.inner.step(
      tape,
      params,
      carry,
      projection,
      None if noise is None else noise.inner,
      context,
    )
    keep = (
      jax.tree.map(lambda leaf: jnp.full_like(leaf, self.rate), new)
      if noise is None
      else noise.keep
    )
    mixed = jax.tree.map(lambda m, s, n: m * s + (1 - m) * n, keep, carry, new)
    return mixed, gates
