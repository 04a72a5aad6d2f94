"""The direct path: a step of which no recurrent product passes a gradient on.

J_t = D_t + M_t, D_t at fixed products: 0 for an Elman network, diag(z) for a GRU, and
for an LSTM c -> c by f and c -> h by o (1 - tanh^2 c) f. Peepholes count as direct.
"""

import jax

from rnn_research.array_types import Carry
from rnn_research.cells import Tape, multiplying
from rnn_research.diagnostics.state import advance, recurrent_operations
from rnn_research.unroll import Trace


def direct_tape(trace: Trace) -> Tape:
  """A tape for one step, whose products are constants of a gradient.

  But for those behind a probe, which lead on from the memory and not back to the
  carry: the projection of an LSTM's output, in its way from c to h.

  Raises:
    StepError: for a step of somebody's own, which names no products.
  """
  recurrent_operations(trace.cell)
  multiply = multiplying(trace.cell, trace.params).product
  probed = []

  def product(name, value):
    return multiply(name, value if probed else jax.lax.stop_gradient(value))

  def probe(name, value):
    if name in trace.cell.probes:
      probed.append(name)
    return value

  return Tape(product, probe=probe)


def advance_directly(trace: Trace, initial: Carry, carry: Carry, row) -> Carry:
  """`advance`, with the Jacobian D_t in place of J_t."""
  return advance(trace, initial, carry, row, direct_tape(trace))
