"""What a step, a carry and a loss have to be; checked once, before anything runs."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_research.array_types import Array, Carry
from rnn_research.diagnostics.own.fork import Step
from rnn_research.diagnostics.own.run import Loss
from rnn_research.errors import StepError


def check(step: Step, params: Any, carry: Carry, xs: Array, loss: Loss) -> None:
  """Refuses what the diagnostics' definitions do not hold for; runs one step.

  Raises:
    StepError: if a leaf is not made of floats, the carry not of one type of them or of
      halves, shapes do not fit, the step changes its carry's shape or type, or examples
      depend on each other.
  """
  time, batch = xs.shape[:2]
  for field, tree in (("params", params), ("carry", carry)):
    for name, leaf in _named(tree):
      if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
        raise StepError(
          f"{field}{name}",
          f"{jnp.result_type(leaf)} has no derivative",
          "keep it in the inputs, or inside of the step",
        )
  for name, leaf in _named(carry):
    if leaf.ndim < 1 or leaf.shape[0] != batch:
      raise StepError(
        f"carry{name}",
        f"shape {leaf.shape} does not begin with the batch of xs, {batch}",
        "give leaves (batch, ...), and xs (time, batch, ...)",
      )
  types = sorted({str(jnp.result_type(leaf)) for leaf in jax.tree.leaves(carry)})
  if len(types) != 1 or types[0] not in ("float32", "float64"):
    raise StepError(
      "carry",
      f"its leaves are {' and '.join(types) or 'none'}",
      "keep it in float32 or float64, one of them, and round inside of the step",
    )

  returned = jax.eval_shape(step, params, carry, xs[0])
  if not (isinstance(returned, tuple) and len(returned) == 2):
    raise StepError(
      "step",
      f"it returns {type(returned).__name__}",
      "return the pair (new carry, output)",
    )
  wanted = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), carry)
  found = jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), returned[0])
  if wanted != found:
    raise StepError(
      "step",
      f"its new carry is {found} and not {wanted}",
      "return a carry of the shapes and types of the first",
    )
  for name, leaf in _named(returned[1]):
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
      raise StepError(
        f"step: output{name}",
        f"{leaf.dtype} has no derivative",
        "return floats, and round in the loss",
      )
  ys = jax.tree.map(
    lambda s: jax.ShapeDtypeStruct((time, *s.shape), s.dtype), returned[1]
  )
  losses = jax.eval_shape(loss, carry, ys)
  if getattr(losses, "shape", None) != (batch,):
    raise StepError(
      "loss",
      f"its shape is {getattr(losses, 'shape', None)} and not ({batch},)",
      "return each example's own loss, not a mean",
    )
  if batch > 1:
    _check_independence(step, params, carry, xs)
    _check_loss_independence(loss, carry, ys)


def _check_independence(step, params, carry, xs) -> None:
  """A gradient that starts in example 0 ends there."""
  x = xs[0]

  @jax.jit
  def mixed(params, carry, x):
    if jnp.issubdtype(x.dtype, jnp.floating):
      returned, pull = jax.vjp(lambda carry, x: step(params, carry, x), carry, x)
    else:
      returned, pull = jax.vjp(lambda carry: step(params, carry, x), carry)
    return _elsewhere(pull(jax.tree.map(_in_example_0, returned)), 0)

  if mixed(params, carry, x):
    raise StepError(
      "step",
      "what it returns of an example depends on another example",
      "leave out what mixes the batch (batch norm, say): every figure is an example's",
    )


def _check_loss_independence(loss, carry, shapes) -> None:
  """The same of the loss, at outputs of no particular value."""

  @jax.jit
  def mixed(carry):
    key = jax.random.key(0)
    ys = jax.tree.map(lambda s: jax.random.normal(key, s.shape, s.dtype), shapes)
    losses, pull = jax.vjp(loss, carry, ys)
    at_carry, at_ys = pull(jnp.zeros_like(losses).at[0].set(1))
    return _elsewhere(at_carry, 0) | _elsewhere(at_ys, 1)

  if mixed(carry):
    raise StepError(
      "loss",
      "an example's depends on another example",
      "return each example's own loss",
    )


def _in_example_0(leaf):
  # Not all equal: sums over a normalised example would cancel.
  ramp = jnp.linspace(0.5, 1, leaf[0].size, dtype=leaf.dtype)
  return jnp.zeros_like(leaf).at[0].set(ramp.reshape(leaf.shape[1:]))


def _elsewhere(tree, axis):
  """Whether anything but example 0 is reached; NaN, which goes anywhere, is not."""
  reached = jnp.zeros((), bool)
  for leaf in jax.tree.leaves(tree):
    rest = jnp.moveaxis(leaf, axis, 0)[1:]
    reached |= ((rest != 0) & ~jnp.isnan(rest)).any()
  return reached


def _named(tree):
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return [(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]
