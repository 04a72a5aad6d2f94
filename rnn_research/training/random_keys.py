"""Where randomness comes from: one key a seed, folded by purpose, then by step.

Seed s has key(s) whatever else runs beside it, and two arms of a study that share a
seed share their data. What all seeds are judged on has a key of its own.
"""

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Key

INIT, DATA, NOISE, FLOSSING = range(4)
# Far from any seed a user would choose.
HELD_OUT, INSPECTION = 2**31 - 1, 2**31 - 2


def seed_keys(seed: int, seeds: int) -> Array:
  """One key each for seeds seed .. seed + seeds - 1, shape (seeds,)."""
  return jax.vmap(jax.random.key)(jnp.arange(seed, seed + seeds))


def at_step(key: Key, purpose: int, step: Array | int) -> Key:
  """The key of one purpose at one step."""
  return jax.random.fold_in(jax.random.fold_in(key, purpose), step)
