"""Law: fused adjoint == autodiff of the scan == autodiff of a Python loop."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.unroll import Measure, make_sinks, unroll
from tests.laws.closeness import assert_close, distance
from tests.laws.losses import loss, unoptimised
from tests.laws.plain_loop import plain_loop
from tests.laws.subjects import CELLS, FAMILIES, subject

ROUNDING = 1e-12


def differentiated(run, *arguments):
  """((loss, (carry, outputs)), gradients of all arguments)."""

  def value(*arguments):
    carry, outputs = run(*arguments)
    return loss(carry, outputs), (carry, outputs)

  numbers = tuple(range(len(arguments)))
  return jax.value_and_grad(value, numbers, has_aux=True)(*arguments)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", CELLS)
def test_all_ways_to_differentiate_agree(float64, name, reverse):
  s = subject(name, jnp.float64)
  options = dict(lengths=s.lengths, resets=s.resets, reverse=reverse, key=s.key)

  def run(params, xs, carry, context, **how):
    return unroll(
      s.cell, params, xs, initial_carry=carry, context=context, **options, **how
    )

  def loop(params, xs, carry, context):
    return plain_loop(
      s.cell, params, xs, initial_carry=carry, context=context, **options
    )[:2]

  def fused(*arguments):
    return run(*arguments)

  def whole(*arguments):
    return run(*arguments, projection="whole")

  def autodiff(*arguments):
    return run(*arguments, adjoint="autodiff")

  # Where the inputs are projected has nothing to do with the direction.
  ways = (fused, autodiff, loop) if reverse else (whole, fused, autodiff, loop)

  @unoptimised
  def program(*arguments):
    return {way.__name__: differentiated(way, *arguments) for way in ways}

  found = program(s.params, s.xs, s.carry, s.context)
  for way in ways[:-1]:
    assert_close(found[way.__name__], found["loop"], ROUNDING, way.__name__)


@pytest.mark.parametrize("name", CELLS)
def test_single_precision_is_as_exact_as_autodiffs(name):
  """Both against double precision: how sums are rounded is the machine's choice.

  Without a key: random numbers of another precision are other numbers.
  """
  s = subject(name, jnp.float32)

  def value(arguments, lengths, how):
    params, xs, carry, context = arguments
    carry, outputs = unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      context=context,
      lengths=lengths,
      resets=s.resets,
      adjoint=how,
    )
    return (outputs**2).sum() + sum((leaf**3).sum() for leaf in jax.tree.leaves(carry))

  @unoptimised
  def program(arguments, lengths):
    return [
      jax.value_and_grad(value)(arguments, lengths, how)
      for how in ("fused", "autodiff")
    ]

  arguments = s.params, s.xs, s.carry, s.context
  fused, autodiff = program(arguments, s.lengths)
  with jax.enable_x64(True):
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), arguments)
    exact = jax.device_get(program(wide, s.lengths.astype(int))[1])
  worst = max(distance(autodiff, exact), float(jnp.finfo(jnp.float32).eps))
  # Two bits: one and the same sum, in another order, has errors as far apart.
  assert distance(fused, exact) <= 4 * worst


@pytest.mark.parametrize(
  ("name", "reverse"),
  [(name, False) for name in FAMILIES] + [("elman", True)],
)
def test_nothing_optional_given(float64, name, reverse):
  s = subject(name, jnp.float64)
  xs = jax.random.normal(jax.random.key(3), s.xs.shape, jnp.float64)

  def fused(params, xs):
    return unroll(s.cell, params, xs, reverse=reverse)

  def loop(params, xs):
    zeros = s.cell.initial_carry(params, s.cell.project(params["input"], xs[0]))
    zeros = jax.tree.map(jnp.zeros_like, zeros)
    return plain_loop(s.cell, params, xs, initial_carry=zeros, reverse=reverse)[:2]

  @unoptimised
  def program(*arguments):
    return [differentiated(way, *arguments) for way in (fused, loop)]

  assert_close(*program(s.params, xs), ROUNDING)


@pytest.mark.parametrize("name", FAMILIES)
def test_second_derivatives_and_forward_mode(float64, name):
  """The fused adjoint can be differentiated again; autodiff also goes forward."""
  s = subject(name, jnp.float64)
  tangent = jax.tree.map(jnp.cos, s.params)

  def value(params, how):
    return loss(
      *unroll(
        s.cell,
        params,
        s.xs,
        initial_carry=s.carry,
        lengths=s.lengths,
        resets=s.resets,
        adjoint=how,
      )
    )

  def slope(params, how):
    gradient = jax.grad(value)(params, how)
    pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(tangent), strict=True)
    return sum((g * t).sum() for g, t in pairs)

  @unoptimised
  def program(params):
    forward = jax.jvp(lambda p: value(p, "autodiff"), (params,), (tangent,))
    return (
      {how: jax.grad(slope)(params, how) for how in ("fused", "autodiff")},
      forward,
      (value(params, "fused"), slope(params, "fused")),
    )

  second, forward, reverse = program(s.params)
  assert_close(second["fused"], second["autodiff"], 1e-11)
  assert_close(forward, reverse, ROUNDING)


def test_taps_need_the_fused_adjoint():
  s = subject("gru", jnp.float32)
  taps = (Measure(), make_sinks(Measure(), s.cell, s.params, s.xs))
  with pytest.raises(ValueError, match="adjoint='fused'"):
    unroll(s.cell, s.params, s.xs, adjoint="autodiff", taps=taps)
