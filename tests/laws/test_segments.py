"""Laws of segments: they change where carries are kept, and nothing else."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.cells import LSTM
from rnn_research.unroll import Measure, balanced_segments, make_sinks, unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss, unoptimised
from tests.laws.subjects import TIME, subject

SOME = (
  "elman",
  "gru_before",
  "lstm_everything",
  "residual_zoneout",
  "wrapped",
  "attention",
)
# One that fits, with a rest, on two levels, of single steps, and longer than T.
SEGMENTS = ((5,), (2,), (3, 2), (1,), (9,))


def inside(event):
  """What a tap can read of a step that reaches into the next segment."""
  return {"adjoint": event.adjoint, "before": event.adjoint_before}


def after(stacked):
  """What is stacked for the weight gradients."""
  return stacked._asdict()


MEASURE = Measure(inside, after)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", SOME)
def test_segments_give_the_whole_gradient(float64, name, reverse):
  """Values, gradients of everything and readings, to rounding."""
  s = subject(name, jnp.float64)

  def run(segments, adjoint="fused"):
    def value(params, xs, carry, context, sinks):
      found = unroll(
        s.cell,
        params,
        xs,
        initial_carry=carry,
        context=context,
        lengths=s.lengths,
        resets=s.resets,
        key=s.key,
        reverse=reverse,
        segments=segments,
        adjoint=adjoint,
        taps=(MEASURE, sinks) if adjoint == "fused" else None,
      )
      return loss(*found), found

    sinks = make_sinks(MEASURE, s.cell, s.params, s.xs, s.carry, s.context)
    arguments = (s.params, s.xs, s.carry, s.context, sinks)
    return jax.value_and_grad(value, (0, 1, 2, 3, 4), has_aux=True)(*arguments)

  @unoptimised
  def program():
    return run(()), {steps: run(steps) for steps in SEGMENTS}, run((2,), "autodiff")

  whole, found, autodiff = program()
  for steps in SEGMENTS:
    assert_close(found[steps], whole, 1e-12, str(steps))
  assert_close(autodiff[0], whole[0], 1e-12)
  assert_close(autodiff[1][:4], whole[1][:4], 1e-12)


def test_memory_is_bounded():
  """A gradient through T steps stores as much as one through about 2 sqrt(T)."""
  cell, time = LSTM(), 2500
  params = cell.init(jax.random.key(0), 2, 16)

  def stored(time, segments):
    def value(params, xs):
      carry, _ = unroll(cell, params, xs, segments=segments)
      return jnp.square(carry.hidden).sum()

    xs = jax.ShapeDtypeStruct((time, 4, 2), jnp.float32)
    compiled = jax.jit(jax.grad(value)).lower(params, xs).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  segments = balanced_segments(time)
  assert segments == (50,)
  assert stored(time, segments) <= stored(100, ()) <= stored(time, ()) / 20


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("time", [1, 2, 999, 10_000])
def test_balanced_segments_shrink_level_by_level(time, levels):
  """Every loop has about T^(1/(L+1)) turns, and none has none."""
  sizes = (time, *balanced_segments(time, levels), 1)
  turns = time ** (1 / (levels + 1))
  for outer, inner in zip(sizes, sizes[1:], strict=False):
    assert 1 <= inner <= outer
    assert outer / inner <= turns + 1


def test_more_levels_than_halvings_do_nothing():
  assert balanced_segments(999, 10**9) == balanced_segments(999, 9)
  assert len(balanced_segments(999, 9)) == 9


def test_a_segment_of_no_steps_is_refused():
  s = subject("elman", jnp.float32)
  with pytest.raises(ValueError, match="segments"):
    unroll(s.cell, s.params, s.xs, segments=(2, 0))


def test_cotangents_that_are_zero_by_construction(float64):
  """A loss on the last carry alone, on h alone: cotangents that are zero by form."""
  s = subject("lstm", jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0, s.xs)

  def gradients(adjoint, pick):
    return jax.grad(
      lambda p, xs: pick(*unroll(s.cell, p, xs, adjoint=adjoint)), (0, 1)
    )(s.params, xs)

  picks = [
    lambda carry, ys: jnp.square(carry.hidden).sum(),
    lambda carry, ys: jnp.square(carry.memory).sum(),
    lambda carry, ys: jnp.square(ys[TIME // 2]).sum(),
    lambda carry, ys: jnp.zeros((), ys.dtype),
  ]

  @unoptimised
  def program():
    return [[gradients(way, pick) for pick in picks] for way in ("fused", "autodiff")]

  fused, autodiff = program()
  assert_close(fused[:3], autodiff[:3], 1e-12)
  assert_same(fused[3], autodiff[3])
