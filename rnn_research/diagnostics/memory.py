"""Memory, which is not a gradient: does the network follow a swapped symbol?

Two runs differ in the input of one step, the event. How often the answer is the one
that is right after the swap says what has been remembered; |s_t - s~_t| over the steps
since the event says where it is lost. A network can solve a task at a small lag gain:
gradients that fade and a state that forgets are two findings.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from rnn_research.array_types import Array
from rnn_research.diagnostics.state import Path, flatten_carry, retrace
from rnn_research.norms import scaled_norm
from rnn_research.problem import Batch, Problem
from rnn_research.unroll import Trace


def follows(
  problem: Problem,
  outputs: Float[Array, "*position outputs"],
  batch: Batch,
  other: Batch,
) -> Bool[Array, "batch"]:
  """Which examples give the answer of `batch` wherever that of `other` differs.

      follows(problem, model(swapped), swapped, batch)  follows the swap
      follows(problem, model(swapped), batch, swapped)  keeps to what it was

  Right is as in the task's error: the class, or a squared error within the tolerance.
  An example whose answers do not differ has nothing to follow, and doesn't.

  Args:
    problem: what the outputs are judged by.
    outputs: of any inputs; the axes of the targets, then `outputs`.
    batch: the targets to be met.
    other: the targets to be told from them.
  """
  if problem.loss == "cross_entropy":
    right = outputs.argmax(-1) == batch.targets
    differs = batch.targets != other.targets
  else:
    right = jnp.square(outputs - batch.targets).sum(-1) <= problem.tolerance
    differs = (batch.targets != other.targets).any(-1)
  asked = differs & (batch.weights > 0)
  over_time = tuple(range(asked.ndim - 1))  # the batch is the last axis
  return (right | ~asked).all(over_time) & asked.any(over_time)


def state_distance(trace: Trace, swapped: Trace) -> Float[Array, "time batch"]:
  """ln |s_t - s~_t|, s_t the full carry behind step t, t in input order.

  Minus infinity where the states are equal.

  Args:
    trace: one application of a cell.
    swapped: another of the same cell, of the same shape.
  """
  states, others = _states(trace), _states(swapped)
  return jnp.log(scaled_norm(states - others, 2))


def _states(trace: Trace) -> Float[Array, "time batch state"]:
  _, path = retrace(trace)
  states = jax.vmap(flatten_carry)(_behind(path))
  return states[::-1] if trace.reverse else states


def _behind(path: Path):
  return jax.tree.map(
    lambda starts, last: jnp.concatenate([starts[1:], last[None]]),
    path.starts,
    path.last,
  )


def since_event(
  trace: Trace, series: Float[Array, "time batch"], events: Int[Array, "batch"]
) -> Float[Array, "time batch"]:
  """A figure of every state by steps since the event, in processing order.

  Entry 0 is the state that has just read it; NaN behind an example's end.

  Args:
    trace: whose order and lengths count.
    series: (time, batch), t in input order.
    events: step of one event of each example.
  """
  time = series.shape[0]
  since = jnp.arange(time)[:, None]
  if trace.reverse:
    steps = events[None] - since
    valid = steps >= 0
  else:
    steps = events[None] + since
    valid = steps < (time if trace.lengths is None else trace.lengths[None])
  found = jnp.take_along_axis(series, jnp.clip(steps, 0, time - 1), axis=0)
  return jnp.where(valid, found, jnp.nan)
