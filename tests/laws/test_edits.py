"""Law: the clipped adjoint == a plain loop whose step clips what it sends back."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.models import Recurrent
from rnn_research.unroll import AdjointClip, Measure, make_sinks, unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss, unoptimised
from tests.laws.plain_loop import plain_loop
from tests.laws.subjects import FAMILIES, subject

BOUND = 0.7
# With products in a row, with a carry of two leaves and noise, and whether reversed.
SOME = {"elman": False, "gru_before": True, "residual_zoneout": False}


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def sends_back(bound, carry):
  """The carry; of its cotangent, each example's part is scaled down to the bound."""
  return carry


def _backward(bound, _, cotangent):
  squares = sum(
    jnp.square(leaf).sum(tuple(range(1, leaf.ndim)))
    for leaf in jax.tree.leaves(cotangent)
  )
  shrink = jnp.minimum(1, bound / jnp.maximum(jnp.sqrt(squares), 1e-300))
  return (
    jax.tree.map(
      lambda leaf: leaf * jnp.expand_dims(shrink, tuple(range(1, leaf.ndim))),
      cotangent,
    ),
  )


sends_back.defvjp(lambda bound, carry: (carry, None), _backward)


class Clipping:
  """A cell whose step begins from a carry that clips what is sent back through it."""

  def __init__(self, cell, bound):
    """Takes everything but the step from the cell."""
    self._cell, self._bound = cell, bound

  def __getattr__(self, name):
    """The inner cell's."""
    return getattr(self._cell, name)

  def step(self, tape, params, carry, *others):
    """The inner cell's, from what stands for the carry."""
    return self._cell.step(tape, params, sends_back(self._bound, carry), *others)


def gradients(s, run):
  """Of all arguments, for a loss on everything that comes out."""

  def value(*arguments):
    return loss(*run(*arguments))

  return jax.grad(value, (0, 1, 2, 3))(s.params, s.xs, s.carry, s.context)


def unrolled(s, reverse, **how):
  def run(params, xs, carry, context):
    return unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      context=context,
      lengths=s.lengths,
      resets=s.resets,
      key=s.key,
      reverse=reverse,
      **how,
    )

  return gradients(s, run)


@pytest.mark.parametrize("name, reverse", SOME.items())
def test_the_clipped_adjoint_is_that_of_a_loop(float64, name, reverse):
  """With lengths, resets and noise; at once and in segments."""
  s = subject(name, jnp.float64)

  def looped(params, xs, carry, context):
    return plain_loop(
      Clipping(s.cell, BOUND),
      params,
      xs,
      initial_carry=carry,
      context=context,
      lengths=s.lengths,
      resets=s.resets,
      key=s.key,
      reverse=reverse,
    )[:2]

  @unoptimised
  def program():
    edit = AdjointClip(BOUND)
    return {
      "loop": gradients(s, looped),
      "fused": unrolled(s, reverse, edit=edit),
      "segments": unrolled(s, reverse, edit=edit, segments=(3, 2)),
    }

  found = program()
  assert_close(found["fused"], found["loop"], 1e-12, "fused")
  assert_close(found["segments"], found["loop"], 1e-12, "segments")


@pytest.mark.parametrize("name", FAMILIES)
def test_no_bound_is_no_edit(quickly, name):
  """Bit by bit."""
  s = subject(name, jnp.float32)
  edits = [None, AdjointClip(float("inf"))]
  plain, unbounded = (
    jax.jit(functools.partial(unrolled, s, False, edit=edit))() for edit in edits
  )
  assert_same(unbounded, plain)


def test_an_adjoint_beyond_the_float_range_of_squares_is_scaled():
  given = jnp.array([[1e30, 1e30], [3e-30, 0], [0, 0]], jnp.float32)
  found = AdjointClip(1.0)({"h": given, "c": 0 * given})
  np.testing.assert_allclose(found["h"][0], [0.5**0.5] * 2, rtol=1e-6)
  np.testing.assert_array_equal(found["h"][1:], given[1:])


def test_no_step_hands_back_more_than_the_bound(float64):
  """Dose and response: what reaches a step without loss, and falls with the bound."""
  s = subject("lstm", jnp.float64)
  measure = Measure(inside=lambda event: event.adjoint)
  sinks = make_sinks(measure, s.cell, s.params, s.xs, s.carry)

  def reached(edit):
    def value(sinks):
      _, ys = unroll(
        s.cell,
        s.params,
        jnp.nan_to_num(s.xs),
        initial_carry=s.carry,
        edit=edit,
        taps=(measure, sinks),
      )
      return 10 * ys[-1].sum()

    leaves = jax.tree.leaves(jax.grad(value)(sinks).inside)
    return np.sqrt(sum(np.square(leaf).sum(-1) for leaf in leaves))

  whole = reached(None)
  assert whole[:-1].min() > 0.2
  for bound in (5.0, 1.0, 0.1):
    found = reached(AdjointClip(bound))
    np.testing.assert_allclose(found[-1], whole[-1], rtol=1e-12)
    assert found[:-1].max() <= bound * (1 + 1e-12)
    # The first that is handed back is clipped from outside, the others follow.
    np.testing.assert_allclose(found[-2], np.minimum(whole[-2], bound), rtol=1e-12)


def test_autodiff_has_nothing_to_edit():
  s = subject("elman", jnp.float32)
  with pytest.raises(ValueError, match="edit acts in the fused adjoint"):
    unroll(s.cell, s.params, s.xs, adjoint="autodiff", edit=AdjointClip(1.0))
  layer = Recurrent(cell=s.cell, hidden=4, adjoint="autodiff", edit=AdjointClip(1.0))
  with pytest.raises(ValueError, match="edit acts in the fused adjoint"):
    layer.init(jax.random.key(0), s.xs)
