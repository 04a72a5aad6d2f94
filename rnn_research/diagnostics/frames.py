"""Frames of directions carried along a trajectory: what spectra are computed from.

A frame is `count` vectors per example that stay orthonormal: pushed through one
Jacobian, they are made orthonormal again, and the logarithms of the lengths that go
lost on the way are kept (QR method of Benettin et al. 1980, Geist et al. 1990).
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Key
from rnn_research.diagnostics.state import (
  advance,
  flatten_carry,
  unflatten_carry,
)
from rnn_research.unroll import Trace

Frame = Float[Array, "count batch state"]


def random_frame(key: Key, count: int, carry: Carry) -> Frame:
  """`count` orthonormal directions an example, uniform over all such frames.

  Args:
    key: of the draw.
    count: at most the entries of the state.
    carry: of which only the shapes are used.
  """
  state = jax.eval_shape(flatten_carry, carry)
  shape = (count, *state.shape)
  return orthonormalise(jax.random.normal(key, shape, state.dtype))[0]


def orthonormalise(vectors: Frame) -> tuple[Frame, Float[Array, "count batch"]]:
  """Gram and Schmidt's Q, and the logarithm of the diagonal of R.

  Each vector is cleared of those before it twice, which is enough for orthogonality
  to rounding (Giraud et al. 2005). No LAPACK: jaxlib's batched QR can wait for ever
  on the CPU, and it has no derivative where a vector is lost.

  Returns:
    The frame and ln R_ii. A vector that depends on those before it, to rounding, is
    zero from then on and its logarithm minus infinity; no derivative goes there.
  """
  size = vectors.shape[-1]
  negligible = (size * jnp.finfo(vectors.dtype).eps) ** 2
  # A constant that cancels, so that no square leaves the float range.
  largest = lax.stop_gradient(jnp.abs(vectors).max(-1))
  scale = _or_one(largest)
  scaled = vectors / scale[..., None]
  least = negligible * jnp.square(scaled).sum(-1)

  product = functools.partial(jnp.einsum, precision=lax.Precision.HIGHEST)

  def add(frame, item):
    index, rest, least = item
    for _ in range(2):
      shares = product("bkn,bn->bk", frame, rest)
      rest = rest - product("bk,bkn->bn", shares, frame)
    square = product("bn,bn->b", rest, rest)
    square = jnp.where(square <= least, 0, square)  # what is no number stays none
    unit = rest * lax.rsqrt(_or_one(square))[:, None]
    unit = jnp.where(square[:, None] == 0, 0, unit)
    return lax.dynamic_update_index_in_dim(frame, unit, index, 1), square

  # Examples first: no product then turns what it reads. What needn't be done vector by
  # vector is done for all at once, since a kernel costs more than its few numbers.
  frame = jnp.zeros_like(jnp.moveaxis(vectors, 0, 1))
  frame, squares = lax.scan(add, frame, (jnp.arange(len(vectors)), scaled, least))
  logs = jnp.log(_or_one(squares)) / 2 + jnp.log(scale)
  return jnp.moveaxis(frame, 1, 0), jnp.where(squares == 0, -jnp.inf, logs)


def _or_one(numbers):
  return jnp.where(numbers == 0, 1, numbers)


def step_and_push(
  trace: Trace, initial: Carry, start: Carry, row, frame: Frame
) -> tuple[Carry, Frame]:
  """s_t, and J_t u for each vector: how a deviation before a step looks behind it."""
  step = _step(trace, initial, start, row)
  state, forward = jax.linearize(step, flatten_carry(start))
  return unflatten_carry(state, start), jax.vmap(forward)(frame)


def push(trace: Trace, initial: Carry, start: Carry, row, frame: Frame) -> Frame:
  """J_t u alone, where the states are known."""
  return step_and_push(trace, initial, start, row, frame)[1]


def pull(trace: Trace, initial: Carry, start: Carry, row, frame: Frame) -> Frame:
  """J_t' u for each vector: how a gradient behind a step looks before it."""
  _, backward = jax.vjp(_step(trace, initial, start, row), flatten_carry(start))
  return jax.vmap(lambda u: backward(u)[0])(frame)


def _step(trace, initial, start, row):
  def step(state):
    return flatten_carry(advance(trace, initial, unflatten_carry(state, start), row))

  return step
