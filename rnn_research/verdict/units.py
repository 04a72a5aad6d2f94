"""How long every unit of every seed keeps what it holds."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.diagnostics import unit_statistics
from rnn_research.models import make_traces
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program


@functools.cache
def compile_time_scales(
  program: Program, layer: str
) -> Callable[..., Float[Array, "seeds units"]]:
  """A jitted `(params, batch)` -> time scale of each unit in steps, (seeds, units).

  Of the direct part of a cell without opaque steps; 0 where it has none.
  """

  def one_seed(params: Any, batch: Any) -> Float[Array, "units"]:
    trace = make_traces(program.inspected, params, batch)[layer]
    return unit_statistics(trace).time_scale.reshape(-1)

  return jax.jit(over_seeds(program.layout, one_seed))
