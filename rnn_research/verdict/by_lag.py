"""What each lag adds to the recurrent kernel's gradient, for every seed."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research.cells import Cell, dense
from rnn_research.diagnostics import (
  Coherence,
  Contribution,
  coherence_by_lag,
  contribution_by_lag,
)
from rnn_research.training.inspection import last_adjoints
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program


class ByLag(NamedTuple):
  """One layer's recurrent kernel, lag by lag.

  Attributes:
    coherence: whether the examples agree on what a lag adds.
    contribution: how much it adds, and what a truncation there would lose.
  """

  coherence: Coherence
  contribution: Contribution


def recurrent_kernel(cell: Cell) -> str | None:
  """Name of the dense kernel that the state goes through; None if there is none.

  "hidden", or the first of a cell that has several (a GRU with the reset before).
  """
  if cell.opaque:
    return None
  names = [name for name, operation in cell.products if operation is dense]
  return "hidden" if "hidden" in names else next(iter(names), None)


@functools.cache
def compile_by_lag(program: Program, layer: str) -> Callable[..., ByLag]:
  """A jitted `(params, batch) -> ByLag` of one layer, with a leading seed axis.

  Of the loss as it acts on the last valid state; the network as it is inspected:
  without truncation, dropout and noise.
  """

  def one_seed(params: Any, batch: Any) -> ByLag:
    trace, adjoint = last_adjoints(program, params, batch)[layer]
    kernel = recurrent_kernel(trace.cell)
    return ByLag(
      coherence_by_lag(trace, adjoint, product=kernel),
      contribution_by_lag(trace, adjoint, product=kernel),
    )

  return jax.jit(over_seeds(program.layout, one_seed))
