"""Taps: how a number leaves the backward pass.

A tap is a zero input whose cotangent is the measurement. The loss is differentiated
with respect to (parameters, sinks); the gradient of the sinks is what the measure
saw. No side effects and no callbacks, so taps work under `jit`, `vmap`, `lax.map`,
`jax.checkpoint` and sharding. One set of sinks belongs to one application of a cell:
a set used twice would receive the sum of two measurements.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Int

from rnn_research.array_types import Array, Carry, Inputs, Params, Projection
from rnn_research.cells import Cell, Tape
from rnn_research.unroll.products import as_rows


class Event(NamedTuple):
  """What the backward scan holds at step t; leaves (batch, ...).

  Attributes:
    time: t, in input order.
    start: the carry the step began with, s_{t-1} (after a reset).
    gates: the step's named activations.
    adjoint: dl/ds_t, total: the loss at t and everything later. Zero on padding.
    adjoint_before: dl/ds_{t-1} through step t alone, before any edit.
    direct: the part of `adjoint_before` that met no product.
    projection: dl/d(projection_t).
    products: dl/d(result) of each product.
    values: what each product multiplied.
    probes: dl/d(value) of each of the cell's probes, total.
  """

  time: Int[Array, ""]
  start: Carry
  gates: dict[str, Array]
  adjoint: Carry
  adjoint_before: Carry
  direct: Carry
  projection: Projection
  products: dict[str, Array]
  values: dict[str, Array]
  probes: dict[str, Array]


class Stacked(NamedTuple):
  """What is stacked for all t anyway; leaves (time, batch, ...).

  Attributes:
    projection: as in `Event`; likewise the others.
    inside: what the measure's `inside` returned.
  """

  projection: Projection
  products: dict[str, Array]
  values: dict[str, Array]
  gates: dict[str, Array]
  inside: Any


def _nothing(_):
  return ()


class Measure(NamedTuple):
  """What to read; static, so best a module constant.

  Attributes:
    inside: Event -> pytree, in every step of the backward scan. For what exists
      only there; whatever can wait belongs to `after`, which is handed the stack.
    after: Stacked -> pytree with leading axis time, once behind the scan (of each
      segment). Each step by itself: what stands at t depends on step t alone.
  """

  inside: Callable[[Event], Any] = _nothing
  after: Callable[[Stacked], Any] = _nothing


class Readings(NamedTuple):
  """What a measure returned: `inside` with a leading time axis, and `after`."""

  inside: Any
  after: Any


def make_sinks(
  measure: Measure,
  cell: Cell,
  params: Params,
  xs: Inputs | jax.ShapeDtypeStruct,
  initial_carry: Carry | None = None,
  context: Any = None,
) -> Readings:
  """Zeros of the shape of everything that `measure` reads; computes nothing else.

  Args:
    measure: what will be read.
    cell: the cell.
    params: its parameters.
    xs: (time, batch, *features), or a `ShapeDtypeStruct` of it.
    initial_carry: as given to `unroll`.
    context: as given to `unroll`.
  """
  time = xs.shape[0]

  def stack(tree):
    return jax.tree.map(lambda leaf: jnp.zeros((time, *leaf.shape), leaf.dtype), tree)

  def read(params, x, initial_carry, context):
    projection = cell.project(params["input"], x)
    carry = cell.first_carry(params, projection, initial_carry)
    operations = dict(cell.products)
    values, results, probes = {}, {}, {}

    def product(name, value):
      values[name] = value
      results[name] = operations[name](params[name], value)
      return results[name]

    def probe(name, value):
      probes[name] = value
      return value

    vectors = as_rows(cell.vectors(params), x.ndim)
    tape = Tape(product, probe=probe)
    new, gates = cell.step(tape, vectors, carry, projection, None, context)
    event = Event(
      time=jnp.zeros((), jnp.int32),
      start=carry,
      gates=gates,
      adjoint=new,
      adjoint_before=carry,
      direct=carry,
      projection=projection,
      products=results,
      values=values,
      probes=probes,
    )
    inside = stack(measure.inside(event))
    stacked = Stacked(*map(stack, (projection, results, values, gates)), inside)
    return Readings(inside, measure.after(stacked))

  first = jax.ShapeDtypeStruct(xs.shape[1:], xs.dtype)
  shapes = jax.eval_shape(read, params, first, initial_carry, context)
  return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
