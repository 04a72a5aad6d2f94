"""One application of a cell, kept so that it can be run again."""

import dataclasses
from typing import Any

import jax

from rnn_research.array_types import Array, Carry
from rnn_research.cells import Cell
from rnn_research.unroll.unroll import unroll


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Trace:
  """All that `unroll` was given: how a diagnostic sees a layer inside a model.

  A pytree, so it leaves jitted and mapped functions like any array. The arrays
  are untyped because JAX rebuilds a pytree around whatever a transformation
  puts in the place of an array.

  Attributes:
    cell: the cell.
    reverse: from the last valid step to the first.
    params: the cell's parameters.
    xs: (time, batch, *features), as the layer saw them.
    lengths: (batch,) or None.
    resets: (time, batch) or None.
    initial_carry: as given; None is the cell's own.
    context: as given.
    key: of the noise; None is its expectation.
  """

  cell: Cell = dataclasses.field(metadata={"static": True})
  reverse: bool = dataclasses.field(metadata={"static": True})
  params: Any
  xs: Any
  lengths: Any = None
  resets: Any = None
  initial_carry: Any = None
  context: Any = None
  key: Any = None

  def run(self) -> tuple[Carry, Array]:
    """Unrolls the cell again; (carry, ys) as the layer computed them in full precision.

    A layer's `compute_dtype` is no part of a trace: what is diagnosed are its weights.
    """
    return unroll(
      self.cell,
      self.params,
      self.xs,
      lengths=self.lengths,
      resets=self.resets,
      initial_carry=self.initial_carry,
      reverse=self.reverse,
      key=self.key,
      context=self.context,
    )
