"""The loop over time, handed to the compiler as the platform runs it best."""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

# On CPU every operation of a loop's body is a kernel of its own, called by a runtime
# that costs more than a kernel does which works on a single sequence. A call marked
# like this is compiled into one function, with its loop. Nobody else reads the marks.
ONE_FUNCTION = {"xla_cpu_small_call": "true", "inlineable": "false"}


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

  def run(state, steps):
    return lax.scan(body, state, steps, reverse=reverse)

  def as_one_function(state, steps):
    # Marks the operation that a value comes from: the call.
    return set_xla_metadata(jax.jit(run)(state, steps), **ONE_FUNCTION)

  if sequences > 1:
    return run(state, steps)
  return lax.platform_dependent(state, steps, cpu=as_one_function, default=run)
