"""Lyapunov exponents of a layer along the trajectory that its input drives it on.

    lambda_i = 1 / (T - t0)  sum_{t > t0} ln R_ii,   J_t Q_{t-1} = Q_t R_t

Conditional (the input is given), of finite time and of the full carry, in nats per
step: lambda_1 is the rate at which a small deviation grows or fades, and, backward, a
gradient does. Method: Benettin et al. 1980; for networks Vogt et al. 2022, Engelken,
Wolf and Abbott 2023.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Int

from rnn_research.array_types import AnyArray, Array, Key
from rnn_research.diagnostics.frames import orthonormalise, random_frame, step_and_push
from rnn_research.diagnostics.state import drive
from rnn_research.unroll import Trace

SHORTEST_BURN_IN = 20  # steps
# Nats that the first vector may get ahead of the last one before both are the same
# to rounding: 16 in float32, 36 in float64, and most of them are to be kept.
SPREAD = {4: 6.0, 8: 20.0}
LONGEST_INTERVAL = 10
RESERVE = 2  # the next steps may stretch so many times more than the last ones


def lyapunov_exponents(
  trace: Trace,
  count: int,
  interval: Int[Array, ""] | int | None = None,
  burn_in: Int[Array, ""] | int | None = None,
  *,
  key: Key,
) -> Float[Array, "count batch"]:
  """The largest `count` exponents of each example, from the first, nats per step.

  Differentiable in the trace's parameters. The sum of all n is the mean of ln|det J|;
  where J is singular (an LSTM at the zero state, a dead relu) it is minus infinity.

  Args:
    trace: the application of a cell; only its valid steps count.
    count: at most the entries of the state.
    interval: q, steps from one QR to the next. None sets it anew behind every QR, by
      the rule of `qr_interval` from what the steps since the one before have shown.
    burn_in: t0, valid steps in which the directions turn before they count, rounded
      up to a multiple of a given interval. None is max(20, T/5), at most T/2.
    key: of the first directions.

  Returns:
    NaN for an example with no step behind the burn-in; minus infinity for a
    direction that was lost.
  """
  initial, driven = drive(trace)
  time = trace.xs.shape[0]

  if burn_in is None:
    longest = jnp.maximum(SHORTEST_BURN_IN, driven.valid // 5)
    skipped = jnp.minimum(longest, driven.valid // 2)
  else:
    skipped = jnp.full_like(driven.valid, burn_in)
  first = driven.ends - driven.valid + skipped

  # The states are made here and not beforehand: a Jacobian comes with its step. Kept
  # for a gradient are they and the frames; what made them is computed again.
  @jax.checkpoint
  def body(state, step):
    carry, frame, since, planned = state
    row, index = step
    carry, frame = step_and_push(trace, initial, carry, row, frame)
    since = since + 1
    due = (since >= planned) | (index == time - 1)
    if interval is None:  # which leaves no step of the burn-in in what counts
      due |= (index + 1 == first).any()
    begin = index + 1 - since

    def measured(frame):
      frame, logs = orthonormalise(frame)
      following = planned if interval is not None else _safe_interval(logs, since)
      return frame, logs, jnp.zeros_like(since), following

    def unmeasured(frame):
      return frame, jnp.zeros_like(frame[..., 0]), since, planned

    frame, logs, since, planned = lax.cond(due, measured, unmeasured, frame)
    return (carry, frame, since, planned), (logs, begin)

  planned = jnp.asarray(1 if interval is None else interval, first.dtype)
  frame = random_frame(key, count, initial)
  state = initial, frame, jnp.zeros_like(planned), planned
  steps = driven.rows, jnp.arange(time, dtype=first.dtype)
  _, (logs, begins) = lax.scan(body, state, steps)

  # A logarithm belongs to all steps since the QR before it.
  begun = begins[:, None] >= first[None]
  total = jnp.where(begun[:, None], logs, 0).sum(0)
  number = driven.ends - jnp.where(begun, begins[:, None], time).min(0)
  mean = total / jnp.maximum(number, 1).astype(logs.dtype)[None]
  return jnp.where((number > 0)[None], mean, jnp.nan)


def _safe_interval(logs: Float[Array, "count batch"], steps: Array) -> Array:
  """The rule of `qr_interval` inside a program, from the R of the last steps."""
  gap = lax.stop_gradient((logs.max(0) - logs.min(0)).max()) / steps.astype(logs.dtype)
  longest = SPREAD[logs.dtype.itemsize] / (RESERVE * jnp.maximum(gap, 1e-9))
  # Where a direction is lost the gap is no number, or infinite.
  safe = jnp.where(gap < jnp.inf, jnp.clip(longest, 1, LONGEST_INTERVAL), 1)
  return safe.astype(steps.dtype)


def qr_interval(exponents: Float[AnyArray, "count ..."], dtype: str = "float32") -> int:
  """The longest safe interval: q (lambda_1 - lambda_k) <= 6 nats (float64: 20).

  Beyond it the small exponents are those of rounding. On the host, from a first pass
  with interval 1 (on one example, say); at most 10, since single steps stretch more
  than the average.

  Args:
    exponents: of the first pass, the axis of exponents first.
    dtype: in which the frame is carried.
  """
  exponents = np.asarray(exponents, np.float64)
  gap = (exponents.max(0) - exponents.min(0)).max() if exponents.size else np.inf
  allowed = SPREAD[np.dtype(dtype).itemsize]
  if not np.isfinite(gap) or gap * 2 > allowed:
    return 1
  return int(min(allowed / max(gap, 1e-9), LONGEST_INTERVAL))
