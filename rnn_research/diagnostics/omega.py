"""How every step rescales the adjoint, and a penalty on steps that do.

    r_k = |delta_{k+1} J_k| / |delta_{k+1}|        J_k = ds_{k+1}/ds_k
    Omega = sum_k (r_k - 1)^2

(Pascanu, Mikolov and Bengio 2013, equations 9 and 10.) delta_{k+1} = dl/ds_{k+1} is
total, of an example's own loss; the loss at k takes no part in r_k. Left out are
padding, steps behind a reset, which have no step before, and steps with
|delta|^2 < 1e-20, where nothing is left to be kept (their code's bound).

Their gradient of Omega is immediate: states and deltas are constants, and it reaches
only the recurrent weights that J_k multiplies by. Their code squares the norms in r_k
and averages over the steps; near 1 that is 4 Omega over the number of steps.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array, Carry, Params, Scalar
from rnn_research.cells import Tape, multiplying
from rnn_research.diagnostics.state import flatten_carry, retrace
from rnn_research.unroll import Trace
from rnn_research.unroll.products import as_rows, replay, transposed
from rnn_research.unroll.weights_first import Laid

LEAST = 1e-10  # norm of a delta that counts


class Omega(NamedTuple):
  """The penalty of one layer, and what it is made of.

  Attributes:
    value: Omega, averaged over the examples.
    ratio: r_k, averaged over steps and examples that count; 1 if none does.
    share: of valid steps, those that count.
  """

  value: Scalar
  ratio: Scalar
  share: Scalar


def omega(trace: Trace, adjoint: Carry, immediate: bool) -> Omega:
  """Omega of one application of a cell, differentiable in the trace's parameters.

  Args:
    trace: the application; every product of its cell is dense.
    adjoint: delta, leaves (time, batch, ...), as `ADJOINT` reads them.
    immediate: states and deltas are constants in the gradient, as in the paper. Else
      it is that of the value, through everything that depends on the parameters.
  """
  ratios, counts, valid = backward_ratios(trace, adjoint, immediate)
  number = jnp.maximum(counts.sum(dtype=ratios.dtype), 1)
  penalty = jnp.where(counts, jnp.square(ratios - 1), 0).sum()
  off = jnp.where(counts, ratios - 1, 0).sum()
  return Omega(
    value=penalty / ratios.shape[1],
    ratio=1 + off / number,
    share=counts.sum(dtype=ratios.dtype)
    / jnp.maximum(valid.sum(dtype=ratios.dtype), 1),
  )


def backward_ratios(
  trace: Trace, adjoint: Carry, immediate: bool
) -> tuple[
  Float[Array, "time batch"], Bool[Array, "time batch"], Bool[Array, "time batch"]
]:
  """r_k of every step in processing order, which of them count, and which are valid."""
  _, path = retrace(trace)
  starts, rows, weights = path.starts, path.rows, trace.params
  if trace.reverse:
    adjoint = jax.tree.map(lambda leaf: leaf[::-1], adjoint)
  unit, norms = _units(adjoint)
  if immediate:
    starts, rows, unit, norms, constants = jax.lax.stop_gradient(
      (starts, rows, unit, norms, trace.params)
    )
    tape = _immediate_tape(trace.cell, weights)
  else:
    constants, tape = weights, multiplying(trace.cell, weights)

  def send_back(start, row, unit):
    def step(start):
      vectors = as_rows(trace.cell.vectors(constants), trace.xs.ndim - 1)
      return trace.cell.step(
        tape, vectors, start, row.projection, row.noise, trace.context
      )[0]

    return jax.vjp(step, start)[1](unit)[0]

  back = _states(jax.vmap(send_back)(starts, rows, unit))
  squares = jnp.square(back).sum(-1)
  # The root has no derivative at zero.
  ratios = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
  valid = jnp.ones(norms.shape, bool) if rows.active is None else rows.active
  counts = valid & (norms >= LEAST)
  if rows.reset is not None:
    counts &= ~rows.reset
  return ratios, counts, valid


def _states(carry: Carry) -> Float[Array, "time batch state"]:
  """All leaves side by side."""
  return jax.vmap(flatten_carry)(carry)


def _units(adjoint: Carry) -> tuple[Carry, Float[Array, "time batch"]]:
  """Each example's adjoint over its norm, and the norm; zero where that is zero.

  The largest entry is divided out first, so that no square leaves the float range.
  """
  flat = _states(adjoint)
  largest = jax.lax.stop_gradient(jnp.abs(flat).max(-1))
  scale = jnp.where(largest > 0, largest, 1)
  squares = jnp.square(flat / scale[..., None]).sum(-1)
  root = jnp.sqrt(jnp.where(squares > 0, squares, 1))

  def divide(leaf):
    wide = (*scale.shape, *(1,) * (leaf.ndim - 2))
    return leaf / scale.reshape(wide) / root.reshape(wide)

  return jax.tree.map(divide, adjoint), jnp.where(largest > 0, scale * root, 0)


def _immediate_tape(cell, weights: Params) -> Tape:
  """Products whose results are constants, while what they send back is not."""
  operations = dict(cell.products)

  def product(name, value):
    operation, own = operations[name], weights[name]
    result = jax.lax.stop_gradient(operation(own, value))
    return replay(operation, Laid(transposed(operation, own)), value, result)

  return Tape(product)
