"""A recurrent layer: the parameters of one cell, and one unroll of it."""

import dataclasses
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Inputs, Lengths, Params, Resets
from rnn_research.cells import Cell, Initial, select
from rnn_research.unroll import (
  Edit,
  Measure,
  Trace,
  balanced_segments,
  default_levels,
  make_sinks,
  unroll,
)


class LayerOutput(NamedTuple):
  """What every layer and stack of layers returns.

  Attributes:
    carry: behind the last valid step in processing order. Bidirectional: the
      pair (forward, backward); stacked: a tuple with one entry per layer.
    ys: the outputs, in input order, zero on padding.
    summary: the output that has read the whole sequence: of the last valid step
      forward, of position 0 backward; zero where the length is 0.
  """

  carry: Carry
  ys: Float[Array, "time batch *outputs"]
  summary: Float[Array, "batch *outputs"]


class Recurrent(nn.Module):
  """A layer of one cell.

  Two collections besides `params` are there for who wants to look inside, and
  cost nothing otherwise. `taps` holds the sinks of `measure`; where it is
  given, its gradient is the readings. `traces`, where it is mutable, receives a
  `Trace`. `rnn_research.models.collections` makes and reads both.

  Attributes:
    cell: the cell.
    hidden: its hidden size.
    reverse: from the last valid step to the first.
    learned_carry: begin with parameters, `initial/<leaf of the carry>`, and not with
      zeros, where they start; resets go back to them. A carry that is given goes first.
    adjoint: as in `unroll`.
    segment_levels: levels of `balanced_segments`, 0 keeps every step, -1 is as many
      as pay at this length, and none where the gradient is truncated.
    truncation: as in `unroll`. Layers on top of each other cut each by itself: with
      k2 = k1 all at the same steps, with k2 > k1 a gradient that goes down a layer
      may go back up to k2 steps there again.
    compute_dtype: as in `unroll`.
    edit: as in `unroll`.
    initial: how the parameters start. Models that differ in nothing else are
      equal and hash alike, so that they share compiled programs; a jitted
      function that draws parameters must not have the model as static argument.
    measure: what is read on the way back if `taps` are given.
  """

  cell: Cell
  hidden: int
  reverse: bool = False
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
    initial_carry: Carry | None = None,
    context: Any = None,
    train: bool = False,
  ) -> LayerOutput:
    """Unrolls the cell.

    Args:
      xs: (time, batch, *features).
      lengths: as in `unroll`.
      resets: as in `unroll`.
      initial_carry: as in `unroll`.
      context: as in `unroll`.
      train: draw the cell's noise, from the random stream `noise`.
    """
    params = self.param("cell", self.cell.init, xs.shape[-1], self.hidden, self.initial)
    if initial_carry is None and self.learned_carry:
      initial_carry = self._learned_carry(params, xs[0])
    noisy = train and _has_noise(self.cell, params, xs)
    trace = Trace(
      cell=self.cell,
      reverse=self.reverse,
      params=params,
      xs=xs,
      lengths=lengths,
      resets=resets,
      initial_carry=initial_carry,
      context=context,
      key=self.make_rng("noise") if noisy else None,
    )
    self._keep(trace)
    carry, ys = unroll(
      self.cell,
      params,
      xs,
      lengths=lengths,
      resets=resets,
      initial_carry=initial_carry,
      reverse=self.reverse,
      key=trace.key,
      context=context,
      adjoint=self.adjoint,
      segments=balanced_segments(xs.shape[0], self._levels(xs.shape[0])),
      truncation=self.truncation,
      compute_dtype=self.compute_dtype,
      edit=self.edit,
      taps=self._taps(trace),
    )
    summary = self.cell.output(carry, xs[0] if self.reverse else summarise(xs, lengths))
    if lengths is not None:
      summary = select(lengths > 0, summary, jnp.zeros_like(summary))
    return LayerOutput(carry, ys, summary)

  def _learned_carry(self, params: Params, x: Array) -> Carry:
    """The same for every example, in the type and place of the data."""
    first = self.cell.initial_carry(params, self.cell.project(params["input"], x))
    leaves, tree = jax.tree_util.tree_flatten_with_path(first)
    names = [jax.tree_util.keystr(p, simple=True, separator="_") for p, _ in leaves]

    def zeros(_):
      return {
        name: jnp.zeros(leaf.shape[1:], float)
        for name, (_, leaf) in zip(names, leaves, strict=True)
      }

    learned = self.param("initial", zeros)
    carry = [
      leaf + learned[name][None].astype(leaf.dtype)
      for name, (_, leaf) in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, carry)

  def _levels(self, time: int) -> int:
    if self.segment_levels >= 0:
      return self.segment_levels
    return 0 if self.truncation else default_levels(time)

  def _keep(self, trace: Trace) -> None:
    if self.is_initializing() or not self.is_mutable_collection("traces"):
      return
    if self.has_variable("traces", "trace"):
      raise ValueError(
        f"layer {self.name!r} is applied twice in one forward pass: its second "
        "trace would replace the first, and its sinks receive the sum of two "
        "measurements; give each application its own layer"
      )
    self.put_variable("traces", "trace", trace)

  def _taps(self, trace: Trace):
    """The measure and its sinks, where they are given or asked for."""
    if self.measure is None or self.is_initializing():
      return None
    if self.is_mutable_collection("taps"):
      sinks = make_sinks(
        self.measure,
        self.cell,
        trace.params,
        trace.xs,
        trace.initial_carry,
        trace.context,
      )
      self.put_variable("taps", "sinks", sinks)
    if not self.has_variable("taps", "sinks"):
      return None
    return self.measure, self.get_variable("taps", "sinks")


def _has_noise(cell, params, xs) -> bool:
  """Whether the cell draws anything (only shapes are computed)."""

  def draw(params, x):
    return cell.noise(jax.random.key(0), 1, cell.project(params["input"], x))

  return bool(jax.tree.leaves(jax.eval_shape(draw, params, xs[0])))


def summarise(
  ys: Float[Array, "time batch *outputs"], lengths: Lengths | None
) -> Float[Array, "batch *outputs"]:
  """The entry of the last valid step; zero where the length is 0."""
  if lengths is None:
    return ys[-1]
  last = jnp.arange(ys.shape[0])[:, None] == lengths[None] - 1
  # A masked sum where a gather would do: it keeps any sharding of the batch.
  return select(last, ys, jnp.zeros_like(ys)).sum(0)
