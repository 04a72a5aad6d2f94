"""Frames of directions carried along a trajectory: what spectra are computed from.

A frame is `count` vectors per example that stay orthonormal: pushed through one
Jacobian, they are made orthonormal again, and the logarithms of the lengths that go
lost on the way are kept (QR method of Benettin et al. 1980, Geist et al. 1990).
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Key
from rnn_research.diagnostics.state import (
  Path,
  advance,
  flatten_carry,
  unflatten_carry,
)
from rnn_research.unroll import Trace

Frame = Float[Array, "count batch state"]


def random_frame(key: Key, count: int, path: Path) -> Frame:
  """`count` orthonormal directions an example, uniform over all such frames."""
  state = jax.eval_shape(flatten_carry, path.last)
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
  count, _, size = vectors.shape
  negligible = (size * jnp.finfo(vectors.dtype).eps) ** 2

  def add(frame, item):
    index, vector = item
    # A constant that cancels, so that no square leaves the float range.
    largest = lax.stop_gradient(jnp.abs(vector).max(-1))
    scale = jnp.where(largest > 0, largest, 1)
    rest = whole = vector / scale[:, None]
    for _ in range(2):
      shares = jnp.einsum("kbn,bn->kb", frame, rest)
      rest = rest - jnp.einsum("kb,kbn->bn", shares, frame)
    square = jnp.square(rest).sum(-1)
    lost = square <= negligible * jnp.square(whole).sum(-1)
    length = jnp.sqrt(jnp.where(lost, 1, square))
    unit = jnp.where(lost[:, None], 0, rest / length[:, None])
    log = jnp.where(lost, -jnp.inf, jnp.log(length) + jnp.log(scale))
    return frame.at[index].set(unit), log

  items = (jnp.arange(count), vectors)
  return lax.scan(add, jnp.zeros_like(vectors), items)


def push(trace: Trace, initial: Carry, start: Carry, row, frame: Frame) -> Frame:
  """J_t u for each vector: how a deviation before a step looks behind it."""
  _, forward = jax.linearize(_step(trace, initial, start, row), flatten_carry(start))
  return jax.vmap(forward)(frame)


def pull(trace: Trace, initial: Carry, start: Carry, row, frame: Frame) -> Frame:
  """J_t' u for each vector: how a gradient behind a step looks before it."""
  _, backward = jax.vjp(_step(trace, initial, start, row), flatten_carry(start))
  return jax.vmap(lambda u: backward(u)[0])(frame)


def _step(trace, initial, start, row):
  def step(state):
    return flatten_carry(advance(trace, initial, unflatten_carry(state, start), row))

  return step
