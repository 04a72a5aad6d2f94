"""The swap test of every seed: does the network follow another first symbol?"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.diagnostics import (
  follows,
  over_examples,
  since_event,
  state_distance,
)
from rnn_research.models import make_traces
from rnn_research.problem import Batch
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INSPECTION


def swapped_batch(program: Program, batch: Batch) -> Batch | None:
  """The inspection's sequences with another first symbol; None where nothing is one.

  Args:
    program: of a task, or of a data set, which has no swap.
    batch: drawn by the program's task.
  """
  if program.task is None:
    return None
  return program.task.swapped(batch, jax.random.fold_in(jax.random.key(INSPECTION), 1))


@functools.cache
def compile_memory(program: Program) -> Callable[..., Any]:
  """A jitted `(params, batch, swapped)` -> the figures below, with a leading seed axis.

  `swapped` is `swapped_batch(program, batch)`.

      follows         share of examples whose answer is the one right after the swap
      stays           share whose answer is still the one right before it
      state_distance  by layer, log10 |s_t - s~_t| over the examples, `Curves` with
                      leaves (time,): entry j is j steps since the event
  """

  def one_seed(params, shared):
    batch, swapped = shared
    outputs = program.inspected.apply({"params": params}, swapped, train=False)
    traces = make_traces(program.inspected, params, batch)
    others = make_traces(program.inspected, params, swapped)

    def share(target, other):
      return follows(program.problem, outputs, target, other).mean(dtype=outputs.dtype)

    def distance(layer):
      trace = traces[layer]
      log = state_distance(trace, others[layer])
      log = since_event(trace, log, batch.events[:, 0])
      return over_examples(log, ~jnp.isnan(log))

    return {
      "follows": share(swapped, batch),
      "stays": share(batch, swapped),
      "state_distance": {layer: distance(layer) for layer in traces},
    }

  run = over_seeds(program.layout, one_seed)
  return jax.jit(lambda params, batch, swapped: run(params, (batch, swapped)))
