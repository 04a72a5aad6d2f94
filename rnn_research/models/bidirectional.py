"""A layer that reads a sequence in both directions."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Inputs, Lengths, Resets
from rnn_research.cells import Cell, Initial
from rnn_research.models.recurrent import LayerOutput, Recurrent
from rnn_research.unroll import Edit, Measure

MERGES = {
  "concat": lambda a, b: jnp.concatenate([a, b], axis=-1),
  "sum": jnp.add,
  "mean": lambda a, b: (a + b) / 2,
  "multiply": jnp.multiply,
}


def merge(
  mode: str,
  forward: Float[Array, "*steps outputs"],
  backward: Float[Array, "*steps outputs"],
) -> Float[Array, "*steps merged"]:
  """One vector from the two directions' by a mode in `MERGES`."""
  return MERGES[mode](forward, backward)


class Bidirectional(nn.Module):
  """Two layers, one per direction (Schuster and Paliwal 1997).

  A padded sequence is reversed within its length. The summary merges the
  forward output of the last valid step with the backward output of position 0:
  the two that have read everything.

  Attributes:
    merge: how two outputs become one, a mode in `MERGES`.
    cell: of both directions; likewise all other attributes of `Recurrent`.
  """

  cell: Cell
  hidden: int
  merge: str = "concat"
  learned_carry: bool = False
  adjoint: Literal["fused", "autodiff"] = "fused"
  segment_levels: int = -1
  truncation: tuple[int, int] | None = None
  compute_dtype: str | None = None
  edit: Edit | None = None
  initial: Initial = dataclasses.field(default=Initial(), compare=False)
  measure: Measure | None = None

  @nn.compact
  def __call__(
    self,
    xs: Inputs,
    *,
    lengths: Lengths | None = None,
    resets: Resets | None = None,
    initial_carry: tuple[Carry, Carry] | None = None,
    train: bool = False,
  ) -> LayerOutput:
    """Runs both directions; arguments as in `Recurrent`, the carry a pair."""
    before = initial_carry or (None, None)
    outputs = []
    for name, carry in zip(("forward", "backward"), before, strict=True):
      layer = Recurrent(
        cell=self.cell,
        hidden=self.hidden,
        reverse=name == "backward",
        learned_carry=self.learned_carry,
        adjoint=self.adjoint,
        segment_levels=self.segment_levels,
        truncation=self.truncation,
        compute_dtype=self.compute_dtype,
        edit=self.edit,
        initial=self.initial,
        measure=self.measure,
        name=name,
      )
      outputs.append(
        layer(
          xs,
          lengths=lengths,
          resets=resets,
          initial_carry=carry,
          train=train,
        )
      )
    forward, backward = outputs
    return LayerOutput(
      (forward.carry, backward.carry),
      merge(self.merge, forward.ys, backward.ys),
      merge(self.merge, forward.summary, backward.summary),
    )
