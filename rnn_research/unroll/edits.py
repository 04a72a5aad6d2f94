"""Edits: what may be done to an adjoint on its way from a step to the one before."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.array_types import Carry
from rnn_research.norms import scaled_norm

# dl/ds_{t-1} through step t, leaves (batch, ...), to what is handed on in its place.
Edit = Callable[[Carry], Carry]


@dataclasses.dataclass(frozen=True)
class AdjointClip:
  """Scales each example's adjoint down to a norm, step by step.

      lambda_{t-1} = dl_{t-1}/ds_{t-1} + min(1, bound / |J_t' lambda_t|) J_t' lambda_t

  Graves (2013, section 2.1) clips the derivatives inside an LSTM entry by entry, so
  that no step can send back an explosion; scaled as a whole, the adjoint keeps its
  direction. What results is no gradient of any loss.

  Attributes:
    bound: on the norm over all leaves of the carry, of the loss as differentiated.
  """

  bound: float

  def __call__(self, adjoint: Carry) -> Carry:
    """Leaves (batch, ...); an example within the bound keeps every bit."""
    norms = [scaled_norm(leaf) for leaf in jax.tree.leaves(adjoint)]
    norm = scaled_norm(jnp.stack(norms, axis=-1))
    factor = jnp.where(norm > self.bound, self.bound / norm, jnp.ones_like(norm))

    def scale(leaf: Any) -> Any:
      return leaf * factor.reshape(factor.shape + (1,) * (leaf.ndim - 1))

    return jax.tree.map(scale, adjoint)
