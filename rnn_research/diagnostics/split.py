"""Where the adjoint of a step comes from: directly, through the weights, or the loss.

    a_{t-1} = D_t' a_t + M_t' a_t + loss_{t-1}

A part's share is <a, part> / |a|^2: signed, and the three sum to 1. Norms of parts do
not add up, so they are no shares. A cell with a probe (an LSTM's memory) is split in
the probe's coordinates, A = dl/dc + (dh/dc)' dl/dh: in (c, h) the parts of an LSTM lie
in different coordinates, and every split would be trivial.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry
from rnn_research.cells import multiplying, select
from rnn_research.diagnostics.path import direct_trace
from rnn_research.diagnostics.state import (
  advance,
  flatten_carry,
  retrace,
  unflatten_carry,
)
from rnn_research.unroll import Trace
from rnn_research.unroll.products import as_rows


class Split(NamedTuple):
  """Shares of the adjoint of each step, in input order; leaves (time, batch).

  Attributes:
    direct: from the next step, past every recurrent product.
    recurrent: from the next step, through a recurrent product.
    loss: from the loss at this very step.
  """

  direct: Float[Array, "time batch"]
  recurrent: Float[Array, "time batch"]
  loss: Float[Array, "time batch"]


def one_step_split(trace: Trace, adjoint: Float[Array, "time batch state"]) -> Split:
  """Splits the total adjoint of every step.

  Args:
    trace: the application of a cell.
    adjoint: a_t = dl/ds_t, total, zero on padding, in input order.

  Returns:
    NaN where there is no adjoint. At the last valid step all of it is the loss's.

  Raises:
    StepError: for a step of somebody's own, which names no products.
  """
  direct = direct_trace(trace)
  initial, path = retrace(trace)
  ordered = adjoint[::-1] if trace.reverse else adjoint
  nothing = jnp.zeros_like(ordered[:1])
  later = jnp.concatenate([ordered[1:], nothing])
  rows = jax.tree.map(lambda leaf: jnp.roll(leaf, -1, axis=0), path.rows)
  behind = jax.tree.map(
    lambda starts, last: jnp.concatenate([starts[1:], last[None]]),
    path.starts,
    path.last,
  )

  def pulled(trace, state, row, covector):
    _, pull = jax.vjp(lambda c: advance(trace, initial, c, row), state)
    return flatten_carry(pull(unflatten_carry(covector, state))[0])

  def at(start, row, state, following, whole, coming):
    both = pulled(trace, state, following, coming)
    past = pulled(direct, state, following, coming)

    def share(part):
      return (read(part) * total).sum(-1) / jnp.square(total).sum(-1)

    def read(part):
      return _in_probes(trace, initial, start, row, unflatten_carry(part, state))

    # In units of the largest entry, so that no square leaves the float range.
    largest = jnp.abs(whole).max(-1, keepdims=True)
    unit = jnp.where(largest > 0, largest, 1)
    past, both, whole = past / unit, both / unit, whole / unit
    total = read(whole)
    return Split(share(past), share(both - past), share(whole - both))

  split = jax.vmap(at)(path.starts, path.rows, behind, rows, ordered, later)
  if trace.reverse:
    split = jax.tree.map(lambda leaf: leaf[::-1], split)
  return split


def _in_probes(trace: Trace, initial: Carry, start: Carry, row, covector: Carry):
  """A covector of the state behind a step, in the coordinates of the cell's probes."""
  cell = trace.cell
  if not cell.probes:
    return flatten_carry(covector)
  projection = cell.project(trace.params["input"], row.x)
  vectors = as_rows(cell.vectors(trace.params), row.x.ndim)
  begin = start if row.reset is None else select(row.reset, initial, start)

  def run(nudges):
    seen = {}

    def probe(name, value):
      seen[name] = value
      return value + nudges[name] if name in nudges else value

    tape = multiplying(cell, trace.params)
    tape = type(tape)(tape.product, tape.activation, probe)
    new, _ = cell.step(tape, vectors, begin, projection, row.noise, trace.context)
    return new, seen

  _, seen = run({})
  zeros = {name: jnp.zeros_like(seen[name]) for name in cell.probes}
  _, pull = jax.vjp(lambda nudges: run(nudges)[0], zeros)
  return flatten_carry(pull(covector)[0])
