"""Where a run broke: the first time step that is not finite, and in which pass."""

import jax
import jax.numpy as jnp
from jaxtyping import Int

from rnn_research.array_types import Array, Carry
from rnn_research.diagnostics.state import flatten_carry, retrace
from rnn_research.unroll import Trace

NOWHERE = -1


def first_nonfinite_state(trace: Trace) -> Int[Array, ""]:
  """First step, in processing order, behind which some state is not finite.

  Counted in input order, as everything that is drawn; -1 if all are finite.
  """
  _, path = retrace(trace)
  states = jax.tree.map(
    lambda starts, last: jnp.concatenate([starts[1:], last[None]]),
    path.starts,
    path.last,
  )
  bad = ~jnp.isfinite(jax.vmap(flatten_carry)(states)).all((1, 2))
  step = jnp.argmax(bad)
  step = bad.shape[0] - 1 - step if trace.reverse else step
  return jnp.where(bad.any(), step, NOWHERE)


def first_nonfinite_adjoint(adjoint: Carry, reverse: bool) -> Int[Array, ""]:
  """Step at which the backward pass met its first non-finite adjoint; -1 for none.

  Args:
    adjoint: dl/ds_t, leaves (time, batch, ...).
    reverse: whether the layer reads backward, so that its adjoint runs forward.
  """
  bad = ~jnp.isfinite(jax.vmap(flatten_carry)(adjoint)).all((1, 2))
  time = bad.shape[0]
  step = jnp.argmax(bad) if reverse else time - 1 - jnp.argmax(bad[::-1])
  return jnp.where(bad.any(), step, NOWHERE)
