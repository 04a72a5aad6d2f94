"""The loop over time, handed to the compiler as the platform runs it best."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.sharding import AxisType

from rnn_research.array_types import Array

# On CPU every operation of a loop's body is a kernel of its own, called by a runtime
# that costs more than a kernel does which works on a single sequence. A call marked
# like this is compiled into one function, with its loop. Nobody else reads the marks.
ONE_FUNCTION = {"xla_cpu_small_call": "true", "inlineable": "false"}
# Entries of a row: a step's short rows are stacked as one, which is copied by vectors.
SHORT, VECTOR = 64, 16


def loop(
  body: Callable[[Any, Any], tuple[Any, Any]],
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
    sequences: batch size; a loop over one is compiled whole on CPU.
  """
  step = jax.jit(body, inline=True)  # traced once for all platforms

  def run(state, steps):
    return lax.scan(step, state, steps, reverse=reverse)

  def as_one_function(state, steps):
    # Marks the operation that a value comes from: the call.
    return set_xla_metadata(jax.jit(run)(state, steps), **ONE_FUNCTION)

  def with_joined_rows(state, steps):
    def joining(state, row):
      state, output = step(state, row)
      return state, jax.tree.map(_joined, output)

    state, joined = lax.scan(joining, state, steps, reverse=reverse)
    return state, jax.tree.map(lambda leaf, s: leaf.reshape(s.shape), joined, stacks)

  _, stacks = jax.eval_shape(run, state, steps)
  if sequences == 1:
    on_cpu = as_one_function
  elif any(_short(leaf.shape[1:]) for leaf in jax.tree.leaves(stacks)) and not any(
    map(_explicit, jax.tree.leaves(steps))
  ):
    on_cpu = with_joined_rows
  else:
    return run(state, steps)
  return lax.platform_dependent(state, steps, cpu=on_cpu, default=run)


def _joined(output: Array) -> Array:
  return lax.collapse(output, 0) if _short(output.shape) else output


def _short(rows: tuple[int, ...]) -> bool:
  """Whether rows are so short, and no multiple of a vector, that CPUs copy entries."""
  return len(rows) > 1 and rows[-1] < SHORT and rows[-1] % VECTOR > 0


def _explicit(leaf: Array) -> bool:
  """Whether its splitting is part of its type, so that no axis joins a split one."""
  return AxisType.Explicit in jax.typeof(leaf).sharding.mesh.axis_types
