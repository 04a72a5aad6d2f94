"""The loop over time, handed to the compiler as the platform runs it best."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.extend.core import Var
from jax.sharding import AxisType

from rnn_research.array_types import Array
from rnn_research.one_function import one_function

Step = Callable[[Any, Any], tuple[Any, Any]]

# Entries of a row: a step's short rows are stacked as one, which is copied by vectors.
SHORT, VECTOR = 64, 16


def loop(
  body: Step,
  state: Any,
  steps: Any,
  *,
  reverse: bool,
  sequences: int,
) -> tuple[Any, Any]:
  """`lax.scan` over the steps.

  Args:
    body: (state, step) -> (state, output).
    state: before the first step.
    steps: leaves (time, ...).
    reverse: from the last step to the first.
    sequences: batch size; a loop over one is one function on CPU.
  """
  step = jax.jit(body, inline=True)  # traced once for all platforms

  def run(state, steps):
    return lax.scan(step, state, steps, reverse=reverse)

  def with_joined_rows(state, steps):
    cut_out = _cut_out(step, state, steps)

    def joining(state, row):
      state, output = step(state, row)
      return state, jax.tree.map(_joined, output, cut_out)

    state, joined = lax.scan(joining, state, steps, reverse=reverse)
    return state, jax.tree.map(lambda leaf, s: leaf.reshape(s.shape), joined, stacks)

  if sequences == 1:
    return one_function(run, state, steps)
  _, stacks = jax.eval_shape(run, state, steps)
  if not any(_short(leaf.shape[1:]) for leaf in jax.tree.leaves(stacks)) or any(
    map(_explicit, jax.tree.leaves(steps))
  ):
    return run(state, steps)
  return lax.platform_dependent(state, steps, cpu=with_joined_rows, default=run)


def _cut_out(step: Step, state: Any, steps: Any) -> Any:
  """For each output of a step, whether it is a part of something wider.

  It is cut out as it is stacked: joined, by an index that is divided for every entry.
  """
  row = jax.eval_shape(lambda rows: jax.tree.map(lambda leaf: leaf[0], rows), steps)
  closed, outputs = jax.make_jaxpr(
    lambda state, row: step(state, row)[1], return_shape=True
  )(state, row)
  parts = {
    variable
    for equation in closed.jaxpr.eqns
    if equation.primitive.name in ("slice", "split")
    for variable in equation.outvars
  }
  flags = [isinstance(out, Var) and out in parts for out in closed.jaxpr.outvars]
  return jax.tree.unflatten(jax.tree.structure(outputs), flags)


def _joined(output: Array, cut_out: bool) -> Array:
  short = _short(output.shape) and not cut_out
  return lax.collapse(output, 0) if short else output


def _short(rows: tuple[int, ...]) -> bool:
  """Whether rows are so short, and no multiple of a vector, that CPUs copy entries."""
  return len(rows) > 1 and rows[-1] < SHORT and rows[-1] % VECTOR > 0


def _explicit(leaf: Array) -> bool:
  """Whether its splitting is part of its type, so that no axis joins a split one."""
  return AxisType.Explicit in jax.typeof(leaf).sharding.mesh.axis_types
