"""Bounds on what is left of a gradient, and the ratio that keeps it.

Pascanu, Mikolov and Bengio 2013, in the 2-norm. For h' = phi(W x + U h) with
|phi'| <= gamma: |P_k| <= prod |J_t| <= (gamma sigma_max(U))^k. So gamma sigma_max < 1
is sufficient for gradients to vanish, and > 1 necessary for them to explode; neither
is the other, and neither is the spectral radius.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Key
from rnn_research.diagnostics.frames import orthonormalise, pull, push, random_frame
from rnn_research.diagnostics.state import retrace
from rnn_research.unroll import Trace

# Largest slope of an activation.
GAMMA = {"tanh": 1.0, "relu": 1.0, "sigmoid": 0.25}


def log_bound(
  sigma_max: Float[np.ndarray, "*seeds"], lags: int, activation: str = "tanh"
) -> Float[np.ndarray, "*seeds lags"]:
  """k ln(gamma sigma_max) for k = 0 .. lags: above every curve of an Elman network.

  Args:
    sigma_max: largest singular value of the recurrent matrix, a host array.
    lags: the longest.
    activation: a name in `GAMMA`.
  """
  rate = np.log(GAMMA[activation] * sigma_max)
  return rate[..., None] * np.arange(lags + 1)


def log_step_norms(
  trace: Trace, iterations: int = 16, *, key: Key
) -> Float[Array, "time batch"]:
  """ln |J_t|, the 2-norm of each step's Jacobian, in processing order.

  By power iteration, a lower bound that is exact in the limit; 0 in padding, where a
  step is the identity.

  Args:
    trace: the application of a cell.
    iterations: of J'J, each from the last step's vector.
    key: of the first direction.
  """
  initial, path = retrace(trace)

  def body(frame, step):
    row, start = step

    def iterate(frame, _):
      frame, log = orthonormalise(push(trace, initial, start, row, frame))
      frame = orthonormalise(pull(trace, initial, start, row, frame))[0]
      # A direction that one step has lost may be what the next one keeps.
      kept = jnp.abs(frame).max(-1, keepdims=True) > 0
      return jnp.where(kept, frame, first), log[0]

    frame, logs = lax.scan(iterate, frame, length=iterations)
    return frame, logs[-1]

  first = random_frame(key, 1, path.last)
  return lax.scan(body, first, (path.rows, path.starts))[1]


def log_norm_product(
  trace: Trace, iterations: int = 16, *, key: Key
) -> Float[Array, "lags batch"]:
  """ln |J_T| ... |J_{T-k+1}| for k = 0 .. time; NaN past an example's length.

  The bound along the trajectory: above every lag gain, far below `log_bound` where
  units are saturated. Arguments as in `log_step_norms`.
  """
  logs = log_step_norms(trace, iterations, key=key)
  time = trace.xs.shape[0]
  valid = jnp.full(trace.xs.shape[1:2], time)
  ends = valid
  if trace.lengths is not None:
    valid = trace.lengths
    ends = ends if trace.reverse else valid
  behind = jnp.arange(time)[:, None] < ends[None]
  # From the last valid step back; what is padded behind it is not passed.
  total = lax.cumsum(jnp.where(behind, logs, 0), axis=0, reverse=True)
  total = jnp.concatenate([total, jnp.zeros_like(total[:1])])
  lags = jnp.arange(time + 1)[:, None]
  by_lag = jnp.take_along_axis(total, jnp.maximum(ends[None] - lags, 0), axis=0)
  return jnp.where(lags <= valid[None], by_lag, jnp.nan)


def log_omega_ratio(
  trace: Trace, adjoint: Float[Array, "time batch state"]
) -> Float[Array, "time batch"]:
  """ln |J_t' a_t| / |a_t|: what one step back leaves of the gradient that is there.

  The ratio inside Pascanu's regulariser Omega, which asks for 0. The loss at t - 1
  is left out of the numerator: it would hide what vanishes.

  Args:
    trace: the application of a cell.
    adjoint: a_t = dl/ds_t behind the step that reads x_t, total, in input order.

  Returns:
    In input order; NaN in padding and where there is no gradient.
  """
  initial, path = retrace(trace)
  ordered = adjoint[::-1] if trace.reverse else adjoint

  def at(row, start, vector):
    length = orthonormalise(vector[None])[1][0]
    back = pull(trace, initial, start, row, vector[None])
    return orthonormalise(back)[1][0] - length

  found = jax.vmap(at)(path.rows, path.starts, ordered)
  found = found[::-1] if trace.reverse else found
  if trace.lengths is not None:
    valid = jnp.arange(trace.xs.shape[0])[:, None] < trace.lengths[None]
    found = jnp.where(valid, found, jnp.nan)
  return found
