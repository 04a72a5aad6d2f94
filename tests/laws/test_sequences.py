"""Laws of lengths, direction, resets, streaming and causality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.unroll import step, unroll
from tests.laws.closeness import assert_close, assert_same
from tests.laws.losses import loss, unoptimised
from tests.laws.subjects import BATCH, SIZE, TIME, subject

TOLERANCE = 1e-12
SOME = ("elman", "lstm_everything", "residual_zoneout", "wrapped")
each_cell = pytest.mark.parametrize("name", SOME)
both_ways = pytest.mark.parametrize(
  "reverse", [False, True], ids=["forward", "reverse"]
)


def finite(s):
  """Inputs without the NaN on padding."""
  return jax.random.normal(jax.random.key(5), s.xs.shape, s.xs.dtype)


def assert_equivalent(one, other, *arguments):
  """Same carry, outputs and gradients from two functions of the arguments."""

  def differentiated(run):
    def value(*arguments):
      found = run(*arguments)
      return loss(*found), found

    numbers = tuple(range(len(arguments)))
    return jax.value_and_grad(value, numbers, has_aux=True)(*arguments)

  @unoptimised
  def program():
    return differentiated(one), differentiated(other)

  got, wanted = program()
  assert_close(got, wanted, TOLERANCE)


def join(carries):
  """Concatenates carries along the batch."""
  return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *carries)


@both_ways
@each_cell
def test_a_padded_example_is_the_example_alone(float64, name, reverse):
  s = subject(name, jnp.float64)

  def padded(params, xs, carry):
    return unroll(
      s.cell,
      params,
      xs,
      lengths=s.lengths,
      initial_carry=carry,
      reverse=reverse,
    )

  def alone(params, xs, carry):
    carries, outputs = [], []
    for b, length in enumerate(s.lengths.tolist()):
      own = jax.tree.map(lambda leaf, b=b: leaf[b : b + 1], carry)
      ys = jnp.zeros((0, 1, s.cell.output_size(SIZE)), xs.dtype)
      if length:
        own, ys = unroll(
          s.cell,
          params,
          xs[:length, b : b + 1],
          initial_carry=own,
          reverse=reverse,
        )
      carries.append(own)
      outputs.append(jnp.pad(ys, ((0, TIME - length), (0, 0), (0, 0))))
    return join(carries), jnp.concatenate(outputs, axis=1)

  assert_equivalent(padded, alone, s.params, s.xs, s.carry)


@both_ways
@each_cell
def test_a_reset_begins_a_sequence(float64, name, reverse):
  """Three sequences in one row equal the three of them apart."""
  s = subject(name, jnp.float64)
  cuts = (0, 2, 3, TIME)
  resets = jnp.zeros((TIME, BATCH), bool).at[jnp.array(cuts[1:-1])].set(True)

  def packed(params, xs, carry):
    return unroll(
      s.cell, params, xs, initial_carry=carry, resets=resets, reverse=reverse
    )

  def apart(params, xs, carry):
    runs = [
      unroll(s.cell, params, xs[start:stop], initial_carry=carry, reverse=reverse)
      for start, stop in zip(cuts, cuts[1:], strict=False)
    ]
    last = runs[0 if reverse else -1][0]
    return last, jnp.concatenate([outputs for _, outputs in runs])

  assert_equivalent(packed, apart, s.params, finite(s), s.carry)


def flipped(values, lengths):
  """Reverses the valid steps of each example and leaves padding in place."""
  t = jnp.arange(values.shape[0])[:, None]
  order = jnp.where(t < lengths[None], lengths[None] - 1 - t, t)
  return values[order, jnp.arange(values.shape[1])[None]]


@both_ways
@each_cell
def test_reverse_is_forward_on_the_flipped_sequence(float64, name, reverse):
  """So reversing twice, flip and `reverse`, is the identity."""
  s = subject(name, jnp.float64)
  t = jnp.arange(TIME)[:, None]
  inside = (t > 0) & (t < s.lengths[None])
  resets = s.resets & inside
  # Where a sequence begins, the one before it ends: seen backward, it begins.
  mirrored = inside & resets[(s.lengths[None] - t) % TIME, jnp.arange(BATCH)[None]]

  def straight(params, xs, carry):
    return unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      lengths=s.lengths,
      resets=resets,
      reverse=reverse,
    )

  def turned(params, xs, carry):
    last, outputs = unroll(
      s.cell,
      params,
      flipped(xs, s.lengths),
      initial_carry=carry,
      lengths=s.lengths,
      resets=mirrored,
      reverse=not reverse,
    )
    return last, flipped(outputs, s.lengths)

  assert_equivalent(straight, turned, s.params, s.xs, s.carry)


@each_cell
def test_chunks_and_single_steps_are_the_whole(float64, name):
  s = subject(name, jnp.float64)

  def whole(params, xs, carry):
    return unroll(s.cell, params, xs, initial_carry=carry, lengths=s.lengths)

  def chunks(params, xs, carry):
    parts = []
    for start, stop in ((0, 2), (2, 3), (3, TIME)):
      left = jnp.clip(s.lengths - start, 0, stop - start)
      carry, ys = unroll(
        s.cell, params, xs[start:stop], initial_carry=carry, lengths=left
      )
      parts.append(ys)
    return carry, jnp.concatenate(parts)

  assert_equivalent(whole, chunks, s.params, s.xs, s.carry)

  def all_valid(params, xs):
    return unroll(s.cell, params, xs)

  def streamed(params, xs):
    carry, parts = None, []
    for x in xs:
      carry, y = step(s.cell, params, carry, x)
      parts.append(y)
    return carry, jnp.stack(parts)

  assert_equivalent(all_valid, streamed, s.params, finite(s))


def test_streaming_with_a_context(float64):
  s = subject("attention", jnp.float64)
  xs = finite(s)
  carry, outputs = unroll(s.cell, s.params, xs, context=s.context)
  streamed, parts = None, []
  for x in xs:
    streamed, y = step(s.cell, s.params, streamed, x, context=s.context)
    parts.append(y)
  assert_close((streamed, jnp.stack(parts)), (carry, outputs), TOLERANCE)


@both_ways
@each_cell
def test_no_output_depends_on_what_comes_later(float64, name, reverse):
  """And padding on nothing at all, where its gradient is 0 and not NaN."""
  s = subject(name, jnp.float64)
  cut = 2
  early = slice(cut, None) if reverse else slice(None, cut)
  late = slice(None, cut) if reverse else slice(cut, None)

  def summed(xs, part, lengths):
    outputs = unroll(s.cell, s.params, xs, lengths=lengths, reverse=reverse)[1]
    return (outputs[part] ** 2).sum()

  @unoptimised
  def program(xs, padded):
    return (
      jax.grad(summed)(xs, early, None),
      jax.grad(summed)(xs, late, None),
      jax.grad(summed)(padded, slice(None), s.lengths),
    )

  of_early, of_late, of_padded = program(finite(s), s.xs)
  assert_same(of_early[late], jnp.zeros_like(of_early[late]))
  assert (np.abs(of_early[early]).max((1, 2)) > 0).all()
  assert (np.abs(of_late).max((1, 2)) > 0).all()
  padding = np.arange(TIME)[:, None] >= s.lengths[None]
  assert_same(of_padded[padding], jnp.zeros_like(of_padded[padding]))
  assert (np.abs(of_padded[~padding]).max(-1) > 0).all()


@both_ways
@each_cell
def test_length_zero_is_the_initial_carry(float64, name, reverse):
  s = subject(name, jnp.float64)
  xs, lengths = jnp.full_like(s.xs, jnp.nan), jnp.zeros_like(s.lengths)
  counts = jax.tree.map(
    lambda leaf: jnp.arange(leaf.size, dtype=leaf.dtype).reshape(leaf.shape),
    s.carry,
  )

  def run(params, xs, carry):
    last, outputs = unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      lengths=lengths,
      resets=s.resets,
      reverse=reverse,
    )
    pairs = zip(jax.tree.leaves(last), jax.tree.leaves(counts), strict=True)
    total = sum((leaf * count).sum() for leaf, count in pairs)
    return total + outputs.sum(), (last, outputs)

  gradients, (last, outputs) = unoptimised(jax.grad(run, (0, 1, 2), has_aux=True))(
    s.params, xs, s.carry
  )
  assert_same(last, s.carry)
  assert_same(outputs, jnp.zeros_like(outputs))
  assert_same(gradients[:2], jax.tree.map(jnp.zeros_like, (s.params, xs)))
  assert_same(gradients[2], counts)


@each_cell
def test_examples_do_not_see_each_other(float64, name):
  s = subject(name, jnp.float64)
  order = jnp.array([2, 0, 3, 1])

  def shuffle(tree, axis):
    return jax.tree.map(lambda leaf: jnp.take(leaf, order, axis), tree)

  def straight(params, xs, carry):
    return unroll(s.cell, params, xs, initial_carry=carry, lengths=s.lengths)

  def shuffled(params, xs, carry):
    last, outputs = unroll(
      s.cell,
      params,
      shuffle(xs, 1),
      initial_carry=shuffle(carry, 0),
      lengths=s.lengths[order],
    )
    back = jnp.argsort(order)
    return (
      jax.tree.map(lambda leaf: leaf[back], last),
      outputs[:, back],
    )

  assert_equivalent(straight, shuffled, s.params, s.xs, s.carry)
