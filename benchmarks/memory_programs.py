"""The gradient of a long sequence, in the arrangements that are compared."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.entries import Shape
from benchmarks.libraries.on_jax import time_major
from rnn_research.cells import CELLS
from rnn_research.unroll import balanced_segments, unroll


class Arrangement(NamedTuple):
  """How the backward pass gets at what the forward pass did.

  Attributes:
    adjoint: as `unroll` takes it.
    levels: of segments; 0 keeps every step.
  """

  adjoint: str
  levels: int


PLAIN = "plain scan"
ARRANGEMENTS = {
  PLAIN: Arrangement("autodiff", 0),
  "fused": Arrangement("fused", 0),
  "fused, 1 level": Arrangement("fused", 1),
  "fused, 2 levels": Arrangement("fused", 2),
}


def segments_of(arrangement: str, time: int) -> tuple[int, ...]:
  """Steps of the segments of each level, outermost first."""
  levels = ARRANGEMENTS[arrangement].levels
  return balanced_segments(time, levels) if levels else ()


def compile_gradient(
  cell: str, shape: Shape, arrangement: str
) -> tuple[Any, tuple[Any, jax.Array]]:
  """The compiled gradient, and its arguments: parameters and inputs.

  It is that of the squared norm of the last carry's hidden state with respect to the
  parameters. A loss on the outputs of all steps would need them all, whatever the
  adjoint does.
  """
  subject = CELLS[cell]()
  params = jax.jit(subject.init, static_argnums=(1, 2))(
    jax.random.key(0), shape.input, shape.hidden
  )
  xs = jnp.asarray(time_major(shape))
  segments = segments_of(arrangement, shape.time)

  def square(params, xs):
    carry, _ = unroll(
      subject,
      params,
      xs,
      adjoint=ARRANGEMENTS[arrangement].adjoint,
      segments=segments,
    )
    return (carry.hidden**2).sum()

  arguments = jax.block_until_ready((params, xs))
  return jax.jit(jax.grad(square)).lower(*arguments).compile(), arguments


def check(gradient: Any) -> None:
  """Raises ArithmeticError unless all of a gradient is finite and some of it not 0."""
  leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(gradient)]
  if not all(np.isfinite(leaf).all() for leaf in leaves):
    raise ArithmeticError("a gradient is not finite")
  if not any(leaf.any() for leaf in leaves):
    raise ArithmeticError("a gradient is zero")
