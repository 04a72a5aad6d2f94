"""The forward pass over time, shared by both ways of differentiating it."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Int

from rnn_research.array_types import (
  Active,
  Array,
  Carry,
  Params,
  Projection,
  Resets,
)
from rnn_research.cells import Cell, Tape, dense, select
from rnn_research.unroll.distinct import Distinct
from rnn_research.unroll.joint_product import joined, joint_product, joint_weights
from rnn_research.unroll.loop import loop
from rnn_research.unroll.products import as_rows
from rnn_research.unroll.splitting import devices
from rnn_research.unroll.weights_first import lay, multiply


class Plan(NamedTuple):
  """What is fixed when a program is traced.

  Attributes:
    cell: the cell.
    reverse: from the last step to the first.
    whole_projection: project all inputs before the scan, not each in its step.
    compute_dtype: what dense products round their factors to; None leaves them.
    edit: of the adjoint that each step hands to the one before; None hands it on.
  """

  cell: Cell
  reverse: bool
  whole_projection: bool
  compute_dtype: Any = None
  edit: Any = None


class Rows(NamedTuple):
  """What each step is handed from outside, time axis first; None where unused.

  Attributes:
    time: t, in input order.
    xs: inputs.
    active: False on padding, where the carry stands still.
    resets: True where the step begins from the initial carry.
    noise: the cell's random numbers.
  """

  time: Int[Array, "time"]
  xs: Array
  active: Active | None
  resets: Resets | None
  noise: Any


class Trajectory(NamedTuple):
  """The forward pass, kept for the backward one; leaves (time, batch, ...).

  What the backward pass doesn't use is never stored: the compiler drops it from the
  loop. A cell that records its gates needs neither projections nor results.

  Attributes:
    starts: what each step began with, s_{t-1}, after any reset.
    carries: s_t.
    projections: of the inputs; None where they are part of a joint product.
    results: of the products.
    recorded: of the activations, in the order of the step.
  """

  starts: Carry
  carries: Carry
  projections: Projection
  results: dict[str, Array]
  recorded: tuple[Array, ...]


def rounded_weights(
  cell: Cell, params: Params, compute_dtype: Any
) -> dict[str, Params]:
  """The parameters, kernels of dense products rounded; `dense` says what that does."""
  if compute_dtype is None:
    return params
  operations = {"input": cell.input_operation, **dict(cell.products)}
  kernels = {
    name: params[name] | {"kernel": params[name]["kernel"].astype(compute_dtype)}
    for name, operation in operations.items()
    if operation is dense
  }
  return params | kernels


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
  params = rounded_weights(cell, params, plan.compute_dtype)
  vectors = as_rows(cell.vectors(params), rows.xs.ndim - 1)
  both = None if plan.whole_projection else joint_weights(cell, params)
  added_to_all = None if both is None else joined(cell)[0].product
  alone = devices(rows.xs) == 1
  laid = {name: lay(operations[name], params[name], rows.xs) for name in operations}
  of_input = lay(cell.input_operation, params["input"], rows.xs)
  multiply_both = None if both is None else joint_product(cell, params, both, rows.xs)
  if plan.whole_projection:
    project = functools.partial(cell.project, params["input"])
    rows = rows._replace(xs=jax.vmap(project)(rows.xs))

  def projected(x):
    """What a step adds of its input; None where that is part of a joint product."""
    if both is not None:
      return None
    if plan.whole_projection:
      return x
    return multiply(cell.input_operation, of_input, x)

  def body(carry, row):
    projection = projected(row.xs)
    results, recorded = {}, []

    def product(name, value):
      if name == added_to_all:
        results[name] = multiply_both(row.xs, value)
      else:
        results[name] = multiply(operations[name], laid[name], value)
      return results[name]

    def activation(function, value):
      recorded.append(function(value))
      return recorded[-1]

    start = carry if row.resets is None else select(row.resets, initial_carry, carry)
    tape = Tape(product, activation)
    # What is None is part of the joint product; adding a plain zero costs nothing.
    new, _ = cell.step(
      tape,
      vectors,
      start,
      0 if projection is None else projection,
      row.noise,
      context,
    )
    # A skipped step leaves the carry as it came in, before any reset.
    new = select(row.active, new, carry)
    own = start
    if alone and row.resets is None:
      own = jax.tree.map(functools.partial(_if_not_kept, recorded), start, new)
    kept = Trajectory(own, new, projection, results, tuple(recorded))
    return new, Distinct.of(kept)

  last, kept = loop(body, first, rows, reverse=plan.reverse, sequences=rows.xs.shape[1])
  trajectory = kept.tree()
  starts = jax.tree.map(
    functools.partial(_starts, plan.reverse),
    first,
    trajectory.carries,
    trajectory.starts,
  )
  return last, trajectory._replace(starts=starts)


def _if_not_kept(recorded, start, new):
  """What a step began with, to be stacked; None if a copy behind the loop is cheaper.

  It is where the new carry is an activation, and so stacked for the backward pass. Else
  the new one is perhaps not stacked at all, or costs in its copy what it saves. With
  several CPU devices at once a copy takes longer than with the threads of all for one.
  """
  return None if any(new is output for output in recorded) else start


def _starts(reverse, first, carries, own):
  """What all steps of one leaf began with, if need be from the carries one step on."""
  if own is not None:
    return own
  parts = (carries[1:], first[None]) if reverse else (first[None], carries[:-1])
  # Copied once, and not by each that reads it: a tap reads what the gradient reads.
  return lax.optimization_barrier(jnp.concatenate(parts))
