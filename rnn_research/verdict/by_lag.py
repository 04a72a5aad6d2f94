"""What each lag adds to the recurrent kernel's gradient, for every seed."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnn_research.cells import dense
from rnn_research.diagnostics import (
  Coherence,
  Contribution,
  coherence_by_lag,
  contribution_by_lag,
)
from rnn_research.training.inspection import last_adjoints
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.unroll import Trace

PRODUCT = "hidden"  # every cell's recurrent kernel


class ByLag(NamedTuple):
  """One layer's recurrent kernel, lag by lag.

  Attributes:
    coherence: whether the examples agree on what a lag adds.
    contribution: how much it adds, and what a truncation there would lose.
  """

  coherence: Coherence
  contribution: Contribution


def has_kernel(trace: Trace) -> bool:
  """Whether the cell's state goes through a dense kernel that can be asked."""
  return not trace.cell.opaque and dict(trace.cell.products).get(PRODUCT) is dense


@functools.cache
def compile_by_lag(program: Program, layer: str) -> Callable[..., ByLag]:
  """A jitted `(params, batch) -> ByLag` of one layer, with a leading seed axis.

  Of the loss as it acts on the last valid state; the network as it is inspected:
  without truncation, dropout and noise.
  """

  def one_seed(params: Any, batch: Any) -> ByLag:
    trace, adjoint = last_adjoints(program, params, batch)[layer]
    return ByLag(
      coherence_by_lag(trace, adjoint, product=PRODUCT),
      contribution_by_lag(trace, adjoint, product=PRODUCT),
    )

  return jax.jit(over_seeds(program.layout, one_seed))
