"""Coherence by lag of every seed, on sequences of its own."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from rnn_research.cells import dense
from rnn_research.diagnostics import Coherence, coherence_by_lag
from rnn_research.training.inspection import last_adjoints
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.unroll import Trace

PRODUCT = "hidden"  # every cell's recurrent kernel


def has_kernel(trace: Trace) -> bool:
  """Whether the cell's state goes through a dense kernel that can be asked."""
  return not trace.cell.opaque and dict(trace.cell.products).get(PRODUCT) is dense


@functools.cache
def compile_coherence(program: Program, layer: str) -> Callable[..., Coherence]:
  """A jitted `(params, batch) -> Coherence` of one layer, with a leading seed axis.

  Of the loss as it acts on the last valid state; the network as it is inspected:
  without truncation, dropout and noise.
  """

  def one_seed(params: Any, batch: Any) -> Coherence:
    trace, adjoint = last_adjoints(program, params, batch)[layer]
    return coherence_by_lag(trace, adjoint, product=PRODUCT)

  return jax.jit(over_seeds(program.layout, one_seed))
