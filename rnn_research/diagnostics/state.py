"""One application of a cell, in processing order, one differentiable step at a time."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from rnn_research.array_types import Array, Carry, Projection
from rnn_research.cells import Cell, Tape, multiplying, select
from rnn_research.cells.cell import Operation
from rnn_research.errors import StepError
from rnn_research.unroll import Trace
from rnn_research.unroll.products import as_rows


def flatten_carry(carry: Carry) -> Float[Array, "batch state"]:
  """All leaves of a carry side by side: the state s_t of one layer."""
  leaves = jax.tree.leaves(carry)
  return jnp.concatenate([x.reshape(x.shape[0], -1) for x in leaves], axis=-1)


def unflatten_carry(state: Float[Array, "batch state"], like: Carry) -> Carry:
  """The inverse of `flatten_carry`."""
  leaves, tree = jax.tree.flatten(like)
  sizes = [leaf[0].size for leaf in leaves]
  ends = [sum(sizes[: n + 1]) for n in range(len(sizes) - 1)]
  parts = jnp.split(state, ends, axis=-1)
  shaped = [p.reshape(x.shape) for p, x in zip(parts, leaves, strict=True)]
  return jax.tree.unflatten(tree, shaped)


def recurrent_operations(cell: Cell) -> dict[str, Operation]:
  """The products by name, for what reads one part of a step apart from another.

  Raises:
    StepError: if the cell is a step of somebody's own, which has no names.
  """
  if cell.opaque:
    raise StepError(
      "step",
      "it names no recurrent products and gates to be told apart",
      "write it as a Cell, or ask for what the whole step does",
    )
  return dict(cell.products)


class Drive(NamedTuple):
  """What a layer is driven by, in processing order; leaves (time, batch, ...).

  Attributes:
    rows: what `advance` needs besides the carry.
    ends: processed steps up to and with an example's last valid one, (batch,).
    valid: valid steps of each example, (batch,).
  """

  rows: Any
  ends: Int[Array, "batch"]
  valid: Int[Array, "batch"]


class Path(NamedTuple):
  """A trajectory of a layer in processing order; leaves (time, batch, ...).

  Attributes:
    starts: the carry before each step.
    last: the carry behind the last step, leaves (batch, ...).
    rows: as in `Drive`; likewise the others.
  """

  starts: Carry
  last: Carry
  rows: Any
  ends: Int[Array, "batch"]
  valid: Int[Array, "batch"]


class _Row(NamedTuple):
  projection: Projection  # of all steps at once: a product less in each of a loop
  active: Bool[Array, "batch"] | None
  reset: Bool[Array, "batch"] | None
  noise: Any


def advance(
  trace: Trace, initial: Carry, carry: Carry, row: _Row, tape: Tape | None = None
) -> Carry:
  """s_t = F(s_{t-1}): one step of the layer.

  Args:
    trace: the application of a cell.
    initial: the carry that resets go to.
    carry: s_{t-1}.
    row: what the step is handed from outside.
    tape: computes the products; None multiplies plainly.
  """
  cell, params = trace.cell, trace.params
  tape = multiplying(cell, params) if tape is None else tape
  vectors = as_rows(cell.vectors(params), trace.xs.ndim - 1)
  start = carry if row.reset is None else select(row.reset, initial, carry)
  new, _ = cell.step(tape, vectors, start, row.projection, row.noise, trace.context)
  return select(row.active, new, carry)


def drive(trace: Trace) -> tuple[Carry, Drive]:
  """The initial carry, and what every step is handed from outside."""
  cell, xs = trace.cell, trace.xs
  time, batch = xs.shape[:2]
  active = None
  valid = jnp.full((batch,), time)
  ends = valid
  if trace.lengths is not None:
    valid = trace.lengths
    active = jnp.arange(time)[:, None] < valid[None, :]
    mask = active.reshape(time, batch, *(1,) * (xs.ndim - 2))
    xs = jnp.where(mask, xs, 0)
    # Backward, padding is processed first and the last valid step is the last.
    ends = ends if trace.reverse else valid
  resets = trace.resets
  if resets is not None and trace.reverse:
    resets = jnp.concatenate([resets[1:], jnp.zeros_like(resets[:1])])
  project = functools.partial(cell.project, trace.params["input"])
  projections = jax.vmap(project)(xs)
  first = jax.tree.map(lambda leaf: leaf[0], projections)
  initial = cell.first_carry(trace.params, first, trace.initial_carry)
  noise = None if trace.key is None else cell.noise(trace.key, time, first)
  rows = _Row(projections, active, resets, noise)
  if trace.reverse:
    rows = jax.tree.map(lambda a: a[::-1], rows)
  return initial, Drive(rows, ends, valid)


def retrace(trace: Trace) -> tuple[Carry, Path]:
  """Runs the layer again and keeps every state.

  Returns:
    The initial carry and the path.
  """
  initial, driven = drive(trace)

  def body(carry, row):
    return advance(trace, initial, carry, row), carry

  last, starts = jax.lax.scan(body, initial, driven.rows)
  return initial, Path(starts, last, *driven)
