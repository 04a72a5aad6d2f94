"""The forward pass over time, shared by both ways of differentiating it."""

import functools
from typing import Any, NamedTuple

import jax
from jax import lax

from rnn_research.array_types import Active, Array, Carry, Params, Projection, Resets
from rnn_research.cells import Cell, Tape, select
from rnn_research.unroll.distinct import Distinct
from rnn_research.unroll.products import as_rows


class Plan(NamedTuple):
  """What is fixed when a program is traced.

  Attributes:
    cell: the cell.
    reverse: from the last step to the first.
    whole_projection: project all inputs before the scan, not each in its step.
  """

  cell: Cell
  reverse: bool
  whole_projection: bool


class Rows(NamedTuple):
  """What each step is handed from outside, time axis first; None where unused.

  Attributes:
    xs: inputs.
    active: False on padding, where the carry stands still.
    resets: True where the step begins from the initial carry.
    noise: the cell's random numbers.
  """

  xs: Array
  active: Active | None
  resets: Resets | None
  noise: Any


class Trajectory(NamedTuple):
  """The forward pass, kept for the backward one; leaves (time, batch, ...).

  What the backward pass doesn't use is never stored: the compiler drops it from the
  loop. A cell that records its gates needs neither projections nor results.

  Attributes:
    starts: what each step began with, s_{t-1}, after any reset. Stored, although the
      carries hold it one step on: the shifted copy of a stack costs more.
    carries: s_t.
    projections: of the inputs.
    results: of the products.
    recorded: of the activations, in the order of the step.
  """

  starts: Carry
  carries: Carry
  projections: Projection
  results: dict[str, Array]
  recorded: tuple[Array, ...]


def scan_cell(
  plan: Plan,
  params: Params,
  rows: Rows,
  first: Carry,
  initial_carry: Carry,
  context: Any,
) -> tuple[Carry, Trajectory]:
  """Runs the cell over time, from the carry `first`; resets go to `initial_carry`.

  Returns:
    The last carry in processing order, and the trajectory in input order.
  """
  cell = plan.cell
  operations = dict(cell.products)
  vectors = as_rows(cell.vectors(params), rows.xs.ndim - 1)
  project = functools.partial(cell.project, params["input"])
  if plan.whole_projection:
    rows = rows._replace(xs=jax.vmap(project)(rows.xs))

  def body(carry, row):
    projection = row.xs if plan.whole_projection else project(row.xs)
    results, recorded = {}, []

    def product(name, value):
      results[name] = operations[name](params[name], value)
      return results[name]

    def activation(function, value):
      recorded.append(function(value))
      return recorded[-1]

    start = carry if row.resets is None else select(row.resets, initial_carry, carry)
    tape = Tape(product, activation)
    new, _ = cell.step(tape, vectors, start, projection, row.noise, context)
    # A skipped step leaves the carry as it came in, before any reset.
    new = select(row.active, new, carry)
    kept = Trajectory(start, new, projection, results, tuple(recorded))
    return new, Distinct.of(kept)

  last, kept = lax.scan(body, first, rows, reverse=plan.reverse)
  return last, kept.tree()
