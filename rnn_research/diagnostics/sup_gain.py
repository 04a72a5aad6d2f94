"""Sup gain: how much the most favoured of all gradients keeps over k steps.

sigma_max(P_k), P_k = ds_T/ds_{T-k} of the full carry, by power iteration on P P':
back through the layer by its VJP, forward by its JVP, renormalised in every step with
the logarithms added up, so that 1e-300 and 1e+60 are figures. No product of Jacobians
is formed. |P v| of a unit vector v bounds sigma_max from below. Of fresh networks of 50
units over 10 to 60 steps the median example is 0.2 to 0.3 nats too low after one
iteration and up to 0.02 after four, the worst 0.7 and 0.2.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array, Key
from rnn_research.diagnostics.log_scale import normalised
from rnn_research.diagnostics.state import (
  advance,
  flatten_carry,
  retrace,
  unflatten_carry,
)
from rnn_research.unroll import Trace


def sup_gain(
  trace: Trace,
  lags: Sequence[int | Int[Array, "batch"]] | Int[Array, "lags"],
  iterations: int = 4,
  *,
  key: Key,
) -> Float[Array, "lags batch"]:
  """ln sigma_max(P_k) of each example at some lags, from below.

  Costs about two gradients of the layer an iteration and lag: for a few of each.

  Args:
    trace: the application of a cell.
    lags: each a number, or one for every example; best in increasing order, since
      each iteration starts from the left singular vector of the lag before.
    iterations: of the power method, at each lag.
    key: of the direction that the first starts from.

  Returns:
    (lags, batch), k in processing order and without padding; NaN where a lag is
    negative or longer than the example, minus infinity where a reset left nothing.
  """
  initial, path = retrace(trace)
  time, batch = trace.xs.shape[:2]

  def moved(row, state):
    carry = unflatten_carry(state, path.last)
    return flatten_carry(advance(trace, initial, carry, row))

  starts = jax.vmap(flatten_carry)(path.starts)
  steps = (path.rows, starts, jnp.arange(time))

  def at_lag(unit, lag):
    begin = path.ends - lag

    def within(index, new, growth, old):
      inside = (index >= begin) & (index < path.ends)
      return jnp.where(inside[:, None], new, old), jnp.where(inside, growth, 0)

    def back(unit, step):
      row, start, index = step
      _, pull = jax.vjp(lambda state: moved(row, state), start)
      return within(index, *normalised(pull(unit)[0]), unit)

    def forward(unit, step):
      row, start, index = step
      _, pushed = jax.jvp(lambda state: moved(row, state), (start,), (unit,))
      return within(index, *normalised(pushed), unit)

    def iteration(unit, _):
      right, _ = jax.lax.scan(back, unit, steps, reverse=True)
      left, growth = jax.lax.scan(forward, right, steps)
      return left, growth.sum(0)

    left, logs = jax.lax.scan(iteration, unit, length=iterations)
    # Nothing passes a reset: the next lag starts from what this one did.
    unit = jnp.where((left != 0).any(-1, keepdims=True), left, unit)
    known = (lag >= 0) & (lag <= path.valid)
    return unit, jnp.where(known, logs[-1], jnp.nan)

  last = flatten_carry(path.last)
  unit, _ = normalised(jax.random.normal(key, last.shape, last.dtype))
  every = [
    jnp.broadcast_to(jnp.asarray(lag, path.ends.dtype), (batch,)) for lag in lags
  ]
  return jax.lax.scan(at_lag, unit, jnp.stack(every))[1]
