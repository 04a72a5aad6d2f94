"""Layers on top of each other."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp

from rnn_research.array_types import Carry, Inputs, Lengths, Resets
from rnn_research.cells import Cell, Initial, select
from rnn_research.models.bidirectional import Bidirectional
from rnn_research.models.recurrent import LayerOutput, Recurrent, summarise
from rnn_research.unroll import Edit, Measure

EPSILON = 1e-5  # of the layer norm's variance, as in the cells


class Stacked(nn.Module):
  """Layers `layer_0`, `layer_1`, ..., each reading what the one below puts out.

      y_n = layer_n(dropout(norm(y_{n-1}))) + y_{n-1}

  Dropout and norm act on the input of every layer but the first, the sum where
  `residual` is set and the sizes agree: what skips a layer is neither dropped
  nor normalised (pre-norm). So nothing is dropped behind the last layer.

  Attributes:
    layers: how many.
    bidirectional: each layer reads in both directions.
    merge: as in `Bidirectional`.
    residual: the sum above.
    layer_norm: Ba, Kiros and Hinton 2016; parameters `norm_1`, ... {scale, bias}.
    dropout: rate (Srivastava et al. 2014), from the random stream `dropout`.
    variational: one mask for all time steps (Gal and Ghahramani 2016), and not
      one for each (Zaremba, Sutskever and Vinyals 2014).
    cell: of every layer; likewise all other attributes of `Recurrent`.
  """

  cell: Cell
  hidden: int
  layers: int = 1
  bidirectional: bool = False
  merge: str = "concat"
  residual: bool = False
  layer_norm: bool = False
  dropout: float = 0.0
  variational: bool = False
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
    initial_carry: tuple[Carry, ...] | None = None,
    train: bool = False,
  ) -> LayerOutput:
    """Runs all layers; arguments as in `Recurrent`, the carry one per layer."""
    if lengths is not None:
      active = jnp.arange(xs.shape[0])[:, None] < lengths[None]
      # A sum with the input must not bring back what stands on the padding.
      xs = select(active, xs, jnp.zeros_like(xs))
    summary = summarise(xs, lengths)
    if self.bidirectional and self.merge == "concat":
      # Each half of a summary stands where its direction ends.
      half = xs.shape[-1] // 2
      summary = jnp.concatenate([summary[..., :half], xs[0][..., half:]], axis=-1)
    before = initial_carry or (None,) * self.layers
    carries = []
    for n, carry in enumerate(before):
      read = xs
      if n and self.layer_norm:
        read = nn.LayerNorm(
          epsilon=EPSILON,
          param_dtype=float,
          use_fast_variance=False,
          # Outputs of a layer are in float32 or wider already.
          force_float32_reductions=False,
          name=f"norm_{n}",
        )(read)
      if n and self.dropout:
        read = nn.Dropout(
          self.dropout,
          broadcast_dims=(0,) if self.variational else (),
          deterministic=not train,
          name=f"dropout_{n}",
        )(read)
      output = self._layer(n)(
        read,
        lengths=lengths,
        resets=resets,
        initial_carry=carry,
        train=train,
      )
      carries.append(output.carry)
      skip = self.residual and xs.shape[-1] == output.ys.shape[-1]
      xs = output.ys + xs if skip else output.ys
      summary = output.summary + summary if skip else output.summary
    return LayerOutput(tuple(carries), xs, summary)

  def _layer(self, n: int) -> nn.Module:
    shared = {
      "cell": self.cell,
      "hidden": self.hidden,
      "learned_carry": self.learned_carry,
      "adjoint": self.adjoint,
      "segment_levels": self.segment_levels,
      "truncation": self.truncation,
      "compute_dtype": self.compute_dtype,
      "edit": self.edit,
      "initial": self.initial,
      "measure": self.measure,
      "name": f"layer_{n}",
    }
    if self.bidirectional:
      return Bidirectional(merge=self.merge, **shared)
    return Recurrent(**shared)
