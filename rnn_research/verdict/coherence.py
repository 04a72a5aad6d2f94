"""Coherence by lag of every seed, on sequences of its own."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from rnn_research.cells import dense
from rnn_research.diagnostics import (
  Coherence,
  coherence_by_lag,
  flatten_carry,
  last_state,
)
from rnn_research.models import by_layer, make_taps
from rnn_research.training.losses import position_losses
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
    taps = make_taps(program.inspected, params, batch)

    def own_losses(taps):
      # A sum, so that no example sees another's count.
      outputs, variables = program.inspected.apply(
        {"params": params, "taps": taps}, batch, train=False, mutable=["traces"]
      )
      losses = position_losses(program.problem, outputs, batch)
      return losses.sum(), by_layer(variables["traces"])

    readings, traces = jax.grad(own_losses, has_aux=True)(taps)
    trace, adjoint = traces[layer], by_layer(readings)[layer].inside
    adjoint = last_state(trace, jax.vmap(flatten_carry)(adjoint))
    return coherence_by_lag(trace, adjoint, product=PRODUCT)

  return jax.jit(over_seeds(program.layout, one_seed))
