"""One step at a time, for streaming inference and decoding."""

from typing import Any

from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Params
from rnn_research.cells import Cell, multiplying
from rnn_research.unroll.products import as_rows
from rnn_research.unroll.scan import rounded_weights


def step(
  cell: Cell,
  params: Params,
  carry: Carry | None,
  x: Float[Array, "batch *features"],
  *,
  context: Any = None,
  compute_dtype: Any = None,
) -> tuple[Carry, Float[Array, "batch *outputs"]]:
  """Reads one input; (carry, y) equal those of `unroll` at that step.

  Args:
    cell: the cell.
    params: its parameters.
    carry: of the step before; None begins a sequence.
    x: (batch, *features).
    context: as in `unroll`.
    compute_dtype: as in `unroll`.
  """
  params = rounded_weights(cell, params, compute_dtype)
  projection = cell.project(params["input"], x)
  carry = cell.first_carry(params, projection, carry)
  vectors = as_rows(cell.vectors(params), x.ndim)
  carry, _ = cell.step(
    multiplying(cell, params), vectors, carry, projection, None, context
  )
  return carry, cell.output(carry, x)
