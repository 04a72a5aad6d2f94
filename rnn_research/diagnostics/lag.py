"""Lag gain: how much of a gradient is left k steps earlier, for k = 0, 1, 2, ...

P_k = J_T ... J_{T-k+1} = ds_T/ds_{T-k} along the actual trajectory, s the full carry
(for an LSTM c and h: the block h to h alone can be zero while c passes everything),
T the last valid step, k in processing order. Two curves:

    loss   |P_k' a| / |a|,  a = dl/ds_T
    rms    |P_k|_F / sqrt(n), the root mean square over directions

Computed as a normalised recursion u <- J' u, |u| = 1, with the logarithms of the
norms added up: 10^-300 is a number here, and 10^60 is finite.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Carry, Key
from rnn_research.diagnostics.log_scale import normalised
from rnn_research.diagnostics.state import (
  advance,
  flatten_carry,
  retrace,
  unflatten_carry,
)
from rnn_research.unroll import Trace


def log_gain(
  trace: Trace, directions: Float[Array, "direction batch state"]
) -> Float[Array, "lags direction batch"]:
  """ln |P_k' u| / |u| for each direction u and lag k = 0 .. time.

  Args:
    trace: the application of a cell.
    directions: cotangents of the last valid state, leaves side by side.

  Returns:
    (time + 1, direction, batch); NaN at lags longer than the example and for a
    direction of length zero, minus infinity where nothing is left.
  """
  return gain_along(trace, directions, advance)


def gain_along(
  trace: Trace,
  directions: Float[Array, "direction batch state"],
  step: Callable[..., Carry],
) -> Float[Array, "lags direction batch"]:
  """`log_gain`, with the Jacobians of another step at the same states.

  Args:
    trace: as there.
    directions: as there.
    step: takes what `advance` does; it returns the same and may differentiate
      otherwise.
  """
  initial, path = retrace(trace)
  time = trace.xs.shape[0]

  def pulled(row, start, state):
    _, pull = jax.vjp(lambda c: step(trace, initial, c, row), start)
    return flatten_carry(pull(unflatten_carry(state, start))[0])

  def body(unit, own):
    row, start, index = own
    back = jax.vmap(lambda u: pulled(row, start, u))(unit)
    back, growth = normalised(back)
    # Behind an example's end nothing has begun yet.
    begun = (index < path.ends)[None]
    unit = jnp.where(begun[..., None], back, unit)
    return unit, jnp.where(begun, growth, 0)

  unit, size = normalised(directions)
  start = size - size  # 0, and NaN for a direction of length zero
  steps = (path.rows, path.starts, jnp.arange(time))
  _, growth = jax.lax.scan(body, unit, steps, reverse=True)
  # Summed outside the loop, where it is done pairwise: one after the other, a
  # thousand equal steps are rounded a thousand times the same way.
  logs = jax.lax.cumsum(growth, axis=0, reverse=True) + start[None]
  logs = jnp.concatenate([logs, start[None]])  # logs[t]: at the state behind t steps

  lags = jnp.arange(time + 1)[:, None]
  index = jnp.maximum(path.ends[None] - lags, 0)[:, None, :]
  index = jnp.broadcast_to(index, logs.shape)
  by_lag = jnp.take_along_axis(logs, index, axis=0)
  return jnp.where((lags <= path.valid[None])[:, None, :], by_lag, jnp.nan)


def loss_gain(
  trace: Trace, adjoint: Float[Array, "batch state"]
) -> Float[Array, "lags batch"]:
  """ln |P_k' a| / |a|: what reaches lag k of the loss's own gradient at T."""
  return log_gain(trace, adjoint[None])[:, 0]


def rms_gain(
  trace: Trace, state_size: int, probes: int = 0, key: Key | None = None
) -> Float[Array, "lags batch"]:
  """ln |P_k|_F / sqrt(n): what reaches lag k of a gradient in any direction.

  Args:
    trace: the application of a cell.
    state_size: n, entries of one state.
    probes: random directions a root mean square is taken over, an unbiased
      estimate of its square; 0 takes all n and is exact.
    key: of the directions, needed if there are any.
  """
  batch = trace.xs.shape[1]
  half = trace.xs.dtype.itemsize < 4
  dtype = jnp.float32 if half else trace.xs.dtype  # as the carry's
  if probes:
    directions = jax.random.normal(key, (probes, batch, state_size), dtype)
  else:
    unit = jnp.eye(state_size, dtype=dtype)[:, None, :]
    directions = jnp.broadcast_to(unit, (state_size, batch, state_size))
  logs = log_gain(trace, directions)
  number = jnp.asarray(directions.shape[0], dtype)
  # NaN is set behind the sum: XLA on CPU loses one that goes through an exponential.
  past_end = jnp.isnan(logs).any(1)
  known = jnp.where(past_end[:, None], 0, logs)
  mean = (logsumexp(2 * known, axis=1) - jnp.log(number)) / 2
  return jnp.where(past_end, jnp.nan, mean)


def last_state(
  trace: Trace, sequence: Float[Array, "time batch state"]
) -> Float[Array, "batch state"]:
  """The entry at each example's last valid step in processing order."""
  if trace.reverse:
    return sequence[0]
  if trace.lengths is None:
    return sequence[-1]
  index = jnp.maximum(trace.lengths - 1, 0)[None, :, None]
  return jnp.take_along_axis(sequence, index, axis=0)[0]


def event_lags(
  trace: Trace, events: Int[Array, "batch events"]
) -> Int[Array, "batch events"]:
  """Steps from just behind each event to the last valid state."""
  if trace.reverse:
    return events
  time = trace.xs.shape[0]
  lengths = trace.lengths
  if lengths is None:
    return time - 1 - events
  return lengths[:, None] - 1 - events


def at_events(
  log: Float[Array, "lags batch"], lags: Int[Array, "batch events"]
) -> Float[Array, "events batch"]:
  """The gain at each example's own lag of each event; NaN past its end."""
  lags = lags.T
  found = jnp.take_along_axis(log, jnp.maximum(lags, 0), axis=0)
  return jnp.where(lags >= 0, found, jnp.nan)
