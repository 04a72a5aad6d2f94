"""One-step split: where the adjoint of a step comes from.

    a_{t-1} = loss_{t-1} + D_t' a_t + M_t' a_t

with D_t the direct path and M_t = J_t - D_t the way through the recurrent products. A
share is <a, part> / |a|^2: signed, and the three sum to 1. (Norms of parts don't add.)

A cell with probes is split in their coordinates. The parts of an LSTM's (c, h) lie in
different ones; each is taken on to c by (ds_{t-1}/dc_{t-1})':

    A_t = f_{t+1} * A_{t+1} + o_t (1 - tanh^2 c_t) * (U' dz_{t+1} + loss_t)

A wrapper's direct path is that of its step: zoneout's holds what it keeps of the old
state, and its A is that of the memory before the mask. A cell whose state has other
ways on than its probe is described as far as the probe goes.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry
from rnn_research.cells import multiplying
from rnn_research.diagnostics.direct import advance_directly
from rnn_research.diagnostics.state import advance, flatten_carry, retrace
from rnn_research.unroll import Trace


class Split(NamedTuple):
  """Shares in the adjoint behind each step; NaN on padding and where that is zero.

  Attributes:
    direct: of the next step's direct path.
    recurrent: of the next step's products.
    loss: of the loss at this step; all of it at an example's last one.
  """

  direct: Float[Array, "time batch"]
  recurrent: Float[Array, "time batch"]
  loss: Float[Array, "time batch"]


def split_shares(trace: Trace, adjoint: Carry) -> Split:
  """The shares of every step, in input order.

  Args:
    trace: the application of a cell.
    adjoint: dl/ds_t as `ADJOINT` reads it, leaves (time, batch, ...).
  """
  initial, path = retrace(trace)
  if trace.reverse:
    adjoint = jax.tree.map(lambda leaf: leaf[::-1], adjoint)

  def passed_on(row, start, total):
    """J' a and D' a of one step, in the coordinates of its start."""

    def pulled(step):
      _, pull = jax.vjp(lambda c: step(trace, initial, c, row), start)
      return pull(total)[0]

    return pulled(advance), pulled(advance_directly)

  def in_probes(row, start, *parts):
    """What reaches the probes of one step of cotangents of the state behind it."""
    if not trace.cell.probes:
      return tuple(flatten_carry(part) for part in parts)
    nothing = jax.tree.map(jnp.zeros_like, _probed(trace, initial, start, row))
    _, pull = jax.vjp(lambda x: _nudged(trace, initial, start, row, x), nothing)
    return tuple(flatten_carry(pull(part)[0]) for part in parts)

  whole, direct = jax.vmap(passed_on)(path.rows, path.starts, adjoint)
  # What a step passes back arrives behind the one before it.
  whole, direct = (
    jax.tree.map(lambda leaf: jnp.concatenate([leaf[1:], jnp.zeros_like(leaf[:1])]), x)
    for x in (whole, direct)
  )
  recurrent = jax.tree.map(jnp.subtract, whole, direct)
  loss = jax.tree.map(jnp.subtract, adjoint, whole)
  total, *parts = jax.vmap(in_probes)(
    path.rows, path.starts, adjoint, direct, recurrent, loss
  )

  largest = jnp.abs(total).max(-1, keepdims=True)
  scale = jnp.where(largest > 0, largest, 1)
  square = jnp.square(total / scale).sum(-1)
  # An adjoint of zero has no parts; neither does padding, whose adjoint is zero.
  known = jnp.where(square == 0, jnp.nan, square)

  def share(part):
    found = ((total / scale) * (part / scale)).sum(-1) / known
    return found[::-1] if trace.reverse else found

  return Split(*map(share, parts))


def _probed(trace, initial, start, row) -> dict[str, Array]:
  """The cell's probes in one step."""
  values = {}

  def probe(name, value):
    values[name] = value
    return value

  plain = multiplying(trace.cell, trace.params)
  advance(trace, initial, start, row, dataclasses.replace(plain, probe=probe))
  return {name: values[name] for name in trace.cell.probes}


def _nudged(trace, initial, start, row, nudges) -> Carry:
  """The state behind a step in which something is added to the probes."""

  def probe(name, value):
    return value + nudges[name] if name in nudges else value

  plain = multiplying(trace.cell, trace.params)
  return advance(trace, initial, start, row, dataclasses.replace(plain, probe=probe))
