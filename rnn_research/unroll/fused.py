"""Back-propagation through time by hand: one adjoint for every cell.

The backward scan carries lambda_t = dl/ds_t and, in each step, plays the cell back
from what the forward scan recorded, so that no product and no recorded activation is
computed twice. It emits the cotangents of the products' results; weight gradients
are formed from them once, behind the scan. Everything a tap can read is in its hands.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from rnn_research.array_types import Carry, Params
from rnn_research.cells import Tape, select
from rnn_research.unroll.distinct import Distinct
from rnn_research.unroll.joint_product import joined
from rnn_research.unroll.loop import loop
from rnn_research.unroll.products import (
  as_rows,
  replay,
  replay_activation,
  transposed,
  value_gradient,
  weight_gradient,
)
from rnn_research.unroll.scan import (
  Plan,
  Rows,
  Trajectory,
  rounded_weights,
  scan_cell,
)
from rnn_research.unroll.taps import Event, Measure, Readings, Stacked
from rnn_research.unroll.weights_first import lay


def _zeros(tree):
  return jax.tree.map(jnp.zeros_like, tree)


def _add(a, b):
  return jax.tree.map(jnp.add, a, b)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def fused_scan(
  plan: Plan,
  measure: Measure | None,
  params: Params,
  rows: Rows,
  first: Carry,
  initial_carry: Carry,
  context: Any,
  sinks: Readings | None,
) -> tuple[Carry, Carry]:
  """The last carry and those of all steps, (time, batch, ...); the adjoint is below."""
  last, trajectory = scan_cell(plan, params, rows, first, initial_carry, context)
  return last, trajectory.carries


def _forward(plan, measure, *arguments):
  # Which arguments are differentiated is not asked: what nobody reads is dropped.
  params, rows, first, initial_carry, context, _ = jax.tree.map(
    lambda primal: primal.value, arguments
  )
  last, trajectory = scan_cell(plan, params, rows, first, initial_carry, context)
  return (last, trajectory.carries), (params, rows, initial_carry, context, trajectory)


def _add_given(tree, given):
  """Adds a list with one entry a leaf, None where there is nothing to add."""
  leaves, structure = jax.tree.flatten(tree)
  added = [a if b is None else a + b for a, b in zip(leaves, given, strict=True)]
  return jax.tree.unflatten(structure, added)


def _given(cotangents):
  """The cotangents as a list, None for those that are zero by construction.

  A loss on the last state alone, or on h and not on c, then stores no zeros.
  """
  return [
    None if isinstance(leaf, SymbolicZero) else leaf
    for leaf in jax.tree.leaves(cotangents)
  ]


def _backward(plan, measure, saved, cotangents):
  params, rows, initial_carry, context, trajectory = saved
  cell = plan.cell
  operations = dict(cell.products)
  parts = joined(cell)
  derived = {part.product for part in parts}
  weights = rounded_weights(cell, params, plan.compute_dtype)
  backward_weights = {
    name: lay(operation, transposed(operation, weights[name]), rows.xs)
    for name, operation in operations.items()
  }
  one_row, pull_rows = jax.vjp(
    lambda p: _spread(p, trajectory.carries, rows.xs.ndim - 1),
    cell.vectors(params),
  )

  def replay_step(
    nudges, vectors, start, projection, results, recorded, noise, ctx, cut
  ):
    """One step again; `cut` keeps the cotangent from passing any product."""
    values, played = {}, iter(recorded)

    def product(name, value):
      values[name] = value
      passing = lax.stop_gradient(value) if cut else value
      return replay(operations[name], backward_weights[name], passing, results[name])

    def activation(function, value):
      return replay_activation(function, value, next(played))

    def probe(name, value):
      return value + nudges[name] if name in nudges else value

    tape = Tape(product, activation, probe)
    new, gates = cell.step(tape, vectors, start, projection, noise, ctx)
    return new, (gates, values)

  def body(state, step):
    later, d_vectors, d_context, d_initial = state
    given, start, projection, results, recorded, row = step
    projection = _of_joint_product(parts, projection, results)
    total = _add_given(later, given)  # dl/ds_t
    nothing = _zeros(total)
    adjoint = select(row.active, total, nothing)

    def through(nudges, vectors, start, projection, results, ctx, cut=False):
      return replay_step(
        nudges, vectors, start, projection, results, recorded, row.noise, ctx, cut
      )

    nudges = {}
    if measure is not None:
      nudges = _zeros(_probed(cell, one_row, start, projection, results, row, context))
    _, pull, (gates, values) = jax.vjp(
      through, nudges, one_row, start, projection, results, context, has_aux=True
    )
    d_nudges, d_row, d_start, d_projection, d_results, d_ctx = pull(adjoint)
    reading = None
    if measure is not None:
      _, pull_direct, _ = jax.vjp(
        lambda s: through(nudges, one_row, s, projection, results, context, cut=True),
        start,
        has_aux=True,
      )
      reading = measure.inside(
        Event(
          time=row.time,
          start=start,
          gates=gates,
          adjoint=adjoint,
          adjoint_before=d_start,
          direct=pull_direct(adjoint)[0],
          projection=d_projection,
          products=d_results,
          values=values,
          probes=d_nudges,
        )
      )
    if plan.edit is not None:
      d_start = plan.edit(d_start)
    earlier = d_start
    if row.resets is not None:
      hit = row.resets if row.active is None else row.resets & row.active
      d_initial = _add(d_initial, select(hit, d_start, nothing))
      earlier = select(row.resets, nothing, d_start)
    earlier = select(row.active, earlier, total)
    state = (earlier, _add(d_vectors, d_row), _add(d_context, d_ctx), d_initial)
    own = {name: d for name, d in d_results.items() if name not in derived}
    return state, (Distinct.of((d_projection, own)), reading)

  state = (
    _add_given(_zeros(trajectory_at(trajectory, 0)), _given(cotangents[0])),
    _zeros(one_row),
    _zeros(context),
    _zeros(initial_carry),
  )
  steps = (
    _given(cotangents[1]),
    trajectory.starts,
    trajectory.projections,
    trajectory.results,
    trajectory.recorded,
    rows._replace(xs=None),
  )
  state, emitted = loop(
    body, state, steps, reverse=not plan.reverse, sequences=rows.xs.shape[1]
  )
  earlier, d_vectors, d_context, d_initial = state
  d_projections, d_results = emitted[0].tree()
  readings = emitted[1]

  def multiplied(start, projection, results, recorded, noise):
    projection = _of_joint_product(parts, projection, results)
    _, played = replay_step(
      {}, one_row, start, projection, results, recorded, noise, context, True
    )
    return played

  # For most cells these are views of what is stacked: nothing is computed again.
  gates, values = {}, {}
  if operations or measure is not None:
    gates, values = jax.vmap(multiplied)(
      trajectory.starts,
      trajectory.projections,
      trajectory.results,
      trajectory.recorded,
      rows.noise,
    )
  d_results |= _of_projection(parts, d_projections, gates)
  if measure is not None:
    after = measure.after(Stacked(d_projections, d_results, values, gates, readings))
    readings = Readings(readings, after)

  d_params = {
    name: weight_gradient(operation, params[name], values[name], d_results[name])
    for name, operation in operations.items()
  }
  d_params["input"] = weight_gradient(
    cell.input_operation, params["input"], rows.xs, d_projections
  )
  d_params.update(pull_rows(d_vectors)[0])
  d_xs = value_gradient(cell.input_operation, weights["input"], rows.xs, d_projections)
  d_rows = Rows(time=None, xs=d_xs, active=None, resets=None, noise=None)
  return d_params, d_rows, earlier, d_initial, d_context, readings


fused_scan.defvjp(_forward, _backward, symbolic_zeros=True)


def trajectory_at(trajectory: Trajectory, time: int) -> Carry:
  """The carry behind one step."""
  return jax.tree.map(lambda leaf: leaf[time], trajectory.carries)


def _spread(vectors: Params, carries: Carry, rank: int) -> Params:
  """Repeats each vector for every example.

  Its gradient then stays per example inside the scan and is summed once behind it:
  a sum over a sharded batch inside the loop would be a reduction in every step.
  """
  some = jax.tree.leaves(carries)[0][0]

  def repeat(row):
    return row + jnp.zeros_like(some, shape=some.shape[:1] + (1,) * (row.ndim - 1))

  return jax.tree.map(repeat, as_rows(vectors, rank))


def _of_joint_product(parts, projection, results):
  """The projection of one step: zero where the joined result holds it already."""
  if projection is None:
    return jnp.zeros_like(results[parts[0].product])
  return projection


def _of_projection(parts, d_projections, gates):
  """Cotangents of the products that are added to the projection, all steps."""
  found = {}
  first, size = 0, d_projections.shape[-1] // max(sum(part.gates for part in parts), 1)
  for name, own in itertools.groupby(parts, lambda part: part.product):
    factors = [part.by for part in own for _ in range(part.gates)]
    last = first + len(factors)
    columns = d_projections[..., first * size : last * size]
    for gate, by in enumerate(factors):
      if by is not None:
        # With ones beside it: one kernel over all columns, whose rows are read as they
        # lie. Cut out and joined again, or gate by gate, they take twice as long.
        outside = gate * size, (len(factors) - 1 - gate) * size
        columns = columns * _between_ones(gates[by], *outside)
    found[name] = columns
    first = last
  return found


def _between_ones(value, before, behind):
  """The value with so many ones at either end of its last axis."""
  others = [(0, 0, 0)] * (value.ndim - 1)
  return lax.pad(value, jnp.ones((), value.dtype), [*others, (before, behind, 0)])


def _probed(cell, vectors, start, projection, results, row, context):
  """The values of the cell's probes in one step (only their shapes are used)."""
  probes = {}

  def product(name, value):
    return results[name]

  def probe(name, value):
    probes[name] = value
    return value

  tape = Tape(product, probe=probe)
  cell.step(tape, vectors, start, projection, row.noise, context)
  return {name: probes[name] for name in cell.probes}
