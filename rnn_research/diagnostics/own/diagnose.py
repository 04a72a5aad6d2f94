"""Every figure of one batch, for a recurrence that is not of this library."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.array_types import Array, Carry, Key, Lengths
from rnn_research.diagnostics.adjoint import adjoint_curves
from rnn_research.diagnostics.horizon import horizon
from rnn_research.diagnostics.lag import last_state, loss_gain, rms_gain
from rnn_research.diagnostics.lyapunov import lyapunov_exponents
from rnn_research.diagnostics.nonfinite import (
  first_nonfinite_adjoint,
  first_nonfinite_state,
)
from rnn_research.diagnostics.over_examples import over_examples
from rnn_research.diagnostics.own.contribution import contributions
from rnn_research.diagnostics.own.diagnosis import VANISHED, Diagnosis, Gains
from rnn_research.diagnostics.own.edge import check
from rnn_research.diagnostics.own.fork import Step
from rnn_research.diagnostics.own.run import Loss, passes, read_by_loss
from rnn_research.diagnostics.own.step_trace import step_trace
from rnn_research.diagnostics.state import flatten_carry
from rnn_research.diagnostics.transient import transient_growth
from rnn_research.norms import scaled_norm

SUP_LAGS = 9  # at most


def diagnose(
  step: Step,
  params: Any,
  carry: Carry,
  xs: Array,
  loss: Loss,
  *,
  lengths: Lengths | None = None,
  exponents: int = 4,
  probes: int = 16,
  key: Key | None = None,
) -> Diagnosis:
  """Looks inside back-propagation through time of any step function.

      found = diagnose(step, params, carry, xs, lambda carry, ys: (ys[-1] - y) ** 2)
      print(found)

  Law: the step and the loss treat each example by itself. It is checked on example 0.

  Costs about 2 (contributions) + `probes` (gains) + `exponents` gradients of the
  batch, each one an unfused one, and two gradients of every example at one step.

  Args:
    step: pure, (params, carry, x) -> (new carry, output).
    params: any pytree of floats; {} if the step has its own.
    carry: before the first step; any pytree of float32 or of float64, leaves
      (batch, ...).
    xs: (time, batch, ...), floats or integers.
    loss: (last carry, outputs (time, batch, ...)) -> (batch,), each example's own.
      To read a gain or a contribution as one of distance, let it read the last output
      or carry alone.
    lengths: valid steps of each example; None for all. On padding the carry stands
      still and the output is zero.
    exponents: how many Lyapunov exponents, from the largest.
    probes: random directions that the rms gain is estimated with; exact where a
      state has no more entries.
    key: of the random directions; None is always the same ones.

  Raises:
    StepError: if one of the five is not what is described here.
  """
  check(step, params, carry, xs, loss)
  if key is None:
    key = jax.random.key(0)
  size = sum(leaf[0].size for leaf in jax.tree.leaves(carry))
  measured = _measure(
    step, loss, min(exponents, size), probes, params, carry, xs, lengths, key
  )
  found = jax.device_get(measured)
  gain = found["gain"]
  median = gain.loss.median
  return Diagnosis(
    **found
    | {
      "state_size": size,
      "horizon": horizon(gain.rms.median if jnp.isnan(median[0]) else median, VANISHED),
      "nonfinite_state": int(found["nonfinite_state"]),
      "nonfinite_adjoint": int(found["nonfinite_adjoint"]),
    }
  )


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _measure(step, loss, exponents, probes, params, carry, xs, lengths, key):
  """All arrays of a `Diagnosis`, by name."""
  time, batch = xs.shape[:2]
  found = passes(step, params, carry, xs, loss, lengths)
  trace = step_trace(step, params, carry, xs, lengths)
  states = jax.vmap(flatten_carry)(found.adjoint)
  last = last_state(trace, states)
  size = last.shape[-1]
  keys = jax.random.split(key, 3)

  def over(log):
    return over_examples(log, ~jnp.isnan(log))

  ends = jnp.full((batch,), time) if lengths is None else lengths
  one = jnp.ones((), last.dtype)
  lags = jnp.asarray(_few_lags(max(time - 1, 1)))
  return {
    "loss": found.loss,
    "reads": read_by_loss(found),
    "adjoint": adjoint_curves(scaled_norm(states, 2), one, lengths, reverse=False),
    "gain": Gains(
      loss=over(loss_gain(trace, last)),
      rms=over(rms_gain(trace, size, probes if probes < size else 0, keys[0])),
      sup=over(transient_growth(trace, lags, key=keys[1]).log),
      sup_lags=lags,
    ),
    "exponents": lyapunov_exponents(trace, exponents, key=keys[2]),
    "contribution": contributions(step, params, found, ends),
    "nonfinite_state": first_nonfinite_state(trace),
    "nonfinite_adjoint": first_nonfinite_adjoint(found.adjoint, reverse=False),
  }


def _few_lags(longest: int) -> np.ndarray:
  """Evenly spaced by their logarithm, since each costs passes of its own."""
  return np.unique(np.geomspace(1, longest, SUP_LAGS).round().astype(int))
