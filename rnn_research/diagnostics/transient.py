"""Singular values of products of Jacobians, and growth that does not last.

A non-normal recurrence (eigenvectors far from orthogonal) can enlarge a gradient over
some lags though every exponent is negative: the largest singular value of

    P_k = J_T ... J_{T-k+1}

rises before it falls. Exponents and eigenvalues do not show it (Trefethen and Embree
2005; Kerg et al. 2019).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Key
from rnn_research.diagnostics.frames import orthonormalise, pull, push, random_frame
from rnn_research.diagnostics.state import retrace
from rnn_research.diagnostics.sup_gain import sup_gain
from rnn_research.unroll import Trace


class TransientGrowth(NamedTuple):
  """How far a product of Jacobians stretches at most, by lag.

  Attributes:
    log: ln sigma_max(P_k), (lags, batch); NaN past an example's length.
    largest: its largest value over the lags; above 0 something grows.
    lag: the lag of that value.
  """

  log: Float[Array, "lags batch"]
  largest: Float[Array, "batch"]
  lag: Int[Array, "batch"]


def log_singular_values(
  trace: Trace,
  count: int,
  lag: Int[Array, ""] | int | None = None,
  iterations: int = 8,
  *,
  key: Key,
) -> Float[Array, "count batch"]:
  """ln of the largest `count` singular values of P_k, from the largest.

  Orthogonal iteration on P'P: a frame is pulled back and pushed forward, made
  orthonormal at every step, so that 10^-300 beside 10^60 is a number. Lower bounds,
  exact in the limit; after 8 iterations those that are apart by 10% are within 0.04.

  Args:
    trace: the application of a cell.
    count: at most the entries of the state.
    lag: k, back from the last valid step; None is all valid steps.
    iterations: of pulling and pushing.
    key: of the first directions.

  Returns:
    NaN for an example shorter than the lag; minus infinity for a singular value
    of zero.
  """
  initial, path = retrace(trace)
  time = trace.xs.shape[0]
  length = path.valid if lag is None else jnp.broadcast_to(lag, path.valid.shape)
  inside = jnp.arange(time)[:, None] >= (path.ends - length)[None]
  inside &= jnp.arange(time)[:, None] < path.ends[None]

  def sweep(move, frame, reverse):
    def body(frame, step):
      row, start, within = step
      moved = move(trace, initial, start, row, frame)
      moved = jnp.where(within[None, :, None], moved, frame)
      return orthonormalise(moved)

    return lax.scan(body, frame, (path.rows, path.starts, inside), reverse=reverse)

  def iterate(frame, _):
    frame, _ = sweep(pull, frame, reverse=True)
    frame, logs = sweep(push, frame, reverse=False)
    return frame, logs.sum(0)

  frame = random_frame(key, count, path.last)
  _, logs = lax.scan(iterate, frame, length=iterations)
  return jnp.where((length <= path.valid)[None], logs[-1], jnp.nan)


def transient_growth(
  trace: Trace, lags: Int[Array, "lags"], iterations: int = 8, *, key: Key
) -> TransientGrowth:
  """sigma_max(P_k) at some lags; each costs `iterations` passes back and forth.

  Args:
    trace: the application of a cell.
    lags: k, at least one; an example needs one that it is long enough for.
    iterations: as in `sup_gain`.
    key: of the first direction.
  """

  log = sup_gain(trace, lags, iterations, key=key)
  known = jnp.where(jnp.isnan(log), -jnp.inf, log)
  return TransientGrowth(log, known.max(0), lags[known.argmax(0)])


def spread(logs: Float[Array, "count batch"]) -> Float[Array, "batch"]:
  """ln sigma_1 / sigma_k: 0 for an isometry, which a mean gain of 1 is not yet."""
  return logs[0] - logs[-1]
