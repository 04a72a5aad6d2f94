"""Laws of truncation: the values of the whole forward pass, a gradient cut by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from rnn_research.cells import LSTM
from rnn_research.unroll import Measure, make_sinks, unroll
from tests.laws.closeness import assert_close, distance
from tests.laws.losses import loss, unoptimised
from tests.laws.plain_loop import plain_loop, where
from tests.laws.subjects import BATCH, SIZE, TIME, subject
from tests.laws.test_meshes import PLACED, arguments, mesh_of, placed

# One with noise, one with a context, vectors in another.
SOME = ("elman", "lstm_everything", "residual_zoneout", "attention")
# With a rest and without, apart and overlapping, by less than a chunk and by more.
WINDOWS = ((1, 1), (2, 2), (2, 3), (3, 4), (1, 4))
WHOLE = ((5, 5), (2, 5), (3, 9), (9, 9))
both_ways = pytest.mark.parametrize(
  "reverse", [False, True], ids=["forward", "reverse"]
)


# An example of all steps, one that begins anew inside, and resets on padding.
RESETS = np.zeros((TIME, BATCH), bool)
RESETS[(0, 1, 2, 4), (3, 1, 2, 1)] = True


def chunks(every):
  """First step of each chunk, and the one behind, in processing order."""
  ends = range(TIME, 0, -every)
  return [(max(end - every, 0), end) for end in ends][::-1]


def cut_by_hand(s, windows, reverse, optional):
  """For each window the sum of the gradients of its chunks' losses.

  Each of them through a whole loop in which one carry is a constant.
  """
  processed = jnp.arange(TIME)[::-1] if reverse else jnp.arange(TIME)
  lengths = optional.get("lengths", jnp.full((BATCH,), TIME))
  # Where each example ends in processing order.
  ends = jnp.where(lengths == 0, 0, TIME if reverse else lengths) - 1

  def value(params, xs, carry, context, begin, end, cut):
    last, outputs, _ = plain_loop(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      context=context,
      reverse=reverse,
      cut=cut,
      **optional,
    )
    mine = (processed >= begin) & (processed < end)
    outputs = jnp.where(mine.reshape(-1, *(1,) * (outputs.ndim - 1)), outputs, 0)
    # The last carry belongs to the chunk in which an example ends, or to the first.
    here = (ends < end) & ((ends >= begin) | (begin == 0))
    last = where(here, last, jax.tree.map(jnp.zeros_like, last))
    return loss(last, outputs)

  def gradient(chunk):
    arguments = (s.params, s.xs, s.carry, s.context)
    return jax.grad(value, (0, 1, 2, 3))(*arguments, *chunk)

  rows = [
    (number, begin, end, end - reach if end > reach else -1)
    for number, (every, reach) in enumerate(windows)
    for begin, end in chunks(every)
  ]
  numbers, *bounds = np.array(rows).T
  parts = jax.lax.map(gradient, tuple(jnp.asarray(bound) for bound in bounds))
  return {
    window: jax.tree.map(lambda leaf, n=n: leaf[numbers == n].sum(0), parts)
    for n, window in enumerate(windows)
  }


def gradient(s, reverse, optional, **options):
  """Loss, carry, outputs and gradients of an unroll."""

  def value(params, xs, carry, context):
    found = unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      context=context,
      reverse=reverse,
      **optional,
      **options,
    )
    return loss(*found), found

  arguments = (s.params, s.xs, s.carry, s.context)
  return jax.value_and_grad(value, (0, 1, 2, 3), has_aux=True)(*arguments)


@pytest.mark.parametrize("length", range(1, TIME))
def test_backward_a_padded_example_is_the_example_alone(float64, length):
  """Its chunks are counted from its first position; padding is processed first."""
  s = subject("lstm_everything", jnp.float64)
  xs = jax.random.normal(jax.random.key(5), s.xs.shape, s.xs.dtype)

  def value(params, xs, carry, lengths):
    found = unroll(
      s.cell,
      params,
      xs,
      initial_carry=carry,
      lengths=lengths,
      reverse=True,
      truncation=(2, 3),
    )
    return loss(found[0], found[1][:length])

  alone = (s.params, xs[:length], s.carry, None)
  padded = (s.params, xs, s.carry, jnp.full((BATCH,), length))
  differentiated = unoptimised(jax.value_and_grad(value, (0, 2)))
  assert_close(differentiated(*padded), differentiated(*alone), 1e-12)


@both_ways
@pytest.mark.parametrize("name", SOME)
def test_the_gradient_is_that_of_loops_cut_by_hand(float64, name, reverse):
  """With lengths (NaN on padding), resets and noise, and once without any."""
  s = subject(name, jnp.float64)
  optional = {"lengths": s.lengths, "resets": jnp.asarray(RESETS), "key": s.key}
  bare = s._replace(xs=jnp.where(jnp.isnan(s.xs), 0, s.xs))
  few = ((1, 1), (2, 3))

  @unoptimised
  def program():
    return (
      {w: gradient(s, reverse, optional, truncation=w) for w in WINDOWS},
      {w: gradient(bare, reverse, {}, truncation=w) for w in few},
      gradient(s, reverse, optional),
      gradient(bare, reverse, {}),
      gradient(s, reverse, optional, truncation=(2, 3), adjoint="autodiff"),
    )

  @unoptimised
  def by_hand():
    return (
      cut_by_hand(s, WINDOWS, reverse, optional),
      cut_by_hand(bare, few, reverse, {}),
    )

  given, nothing, whole, bare_whole, autodiff = program()
  wanted, bare_wanted = by_hand()
  compare(given, wanted, whole)
  compare(nothing, bare_wanted, bare_whole)
  assert_close(autodiff, given[2, 3], 1e-12, "autodiff")


def compare(found, wanted, whole):
  """The values are those of the whole pass; the gradients are not, but by hand."""
  for window, (values, gradients) in found.items():
    assert_close(values, whole[0], 1e-12, f"values of {window}")
    assert_close(gradients, wanted[window], 1e-12, f"gradient of {window}")
    assert distance(gradients, whole[1]) > 1e-6, window


@both_ways
@pytest.mark.parametrize("name", SOME)
def test_what_reaches_over_all_steps_is_the_whole_gradient(float64, name, reverse):
  s = subject(name, jnp.float64)
  optional = {"lengths": s.lengths, "resets": jnp.asarray(RESETS), "key": s.key}

  @unoptimised
  def program():
    whole = gradient(s, reverse, optional)
    return whole, {w: gradient(s, reverse, optional, truncation=w) for w in WHOLE}

  whole, found = program()
  for window, got in found.items():
    assert_close(got, whole, 1e-12, str(window))


def inside(event):
  """The adjoint, and what of it goes on to the step before."""
  return {"adjoint": event.adjoint, "before": event.adjoint_before}


def after(stacked):
  """What is stacked for the weight gradients."""
  return stacked._asdict()


MEASURE = Measure(inside, after)


@both_ways
@pytest.mark.parametrize("name", SOME)
def test_taps_read_the_truncated_adjoint(float64, name, reverse):
  """Each reading stands at its step, as in a run that begins with its chunk."""
  s = subject(name, jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0, s.xs)
  every = 2
  size = s.cell.output_size(SIZE)
  weights = jax.random.normal(jax.random.key(3), (TIME, BATCH, size), jnp.float64)

  def readings(xs, carry, weights, **options):
    sinks = make_sinks(MEASURE, s.cell, s.params, xs, carry, s.context)

    def value(sinks):
      _, ys = unroll(
        s.cell,
        s.params,
        xs,
        initial_carry=carry,
        context=s.context,
        reverse=reverse,
        taps=(MEASURE, sinks),
        **options,
      )
      return jnp.sin(weights[: ys.shape[0]] * ys).sum()

    return jax.grad(value)(sinks)

  @unoptimised
  def program():
    got = readings(xs, s.carry, weights, truncation=(every, every))
    parts, carry = [], s.carry
    for begin, end in chunks(every):
      here = slice(TIME - end, TIME - begin) if reverse else slice(begin, end)
      parts.append(readings(xs[here], carry, weights[here]))
      carry, _ = unroll(
        s.cell,
        s.params,
        xs[here],
        initial_carry=carry,
        context=s.context,
        reverse=reverse,
      )
    if reverse:
      parts = parts[::-1]
    return got, jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)

  got, wanted = program()
  assert_close(got, wanted, 1e-12)


@pytest.mark.parametrize("window", [(50, 50), (25, 50)], ids=str)
def test_memory_is_bounded(window):
  """T steps store about as much as one window, the carries and the rows aside."""
  cell, time = LSTM(), 2500
  params = cell.init(jax.random.key(0), 2, 16)

  def stored(time, truncation):
    def value(params, xs):
      carry, _ = unroll(cell, params, xs, truncation=truncation)
      return jnp.square(carry.hidden).sum()

    xs = jax.ShapeDtypeStruct((time, 4, 2), jnp.float32)
    compiled = jax.jit(jax.grad(value)).lower(params, xs).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  assert stored(time, window) <= stored(200, None) <= stored(time, None) / 10


@pytest.mark.parametrize("window", [(2, 2), (4, 5)], ids=str)
def test_on_explicit_devices_and_inside_shard_map(float64, window):
  """The single device's gradient, where types name the devices."""
  values = arguments("lstm_vectors")

  def value(params, xs, _, resets):
    carry, outputs = unroll(
      PLACED["lstm_vectors"], params, xs, resets=resets, truncation=window
    )
    ends = sum((leaf**3).sum() for leaf in jax.tree.leaves(carry))
    return ends + jnp.sin(3 * outputs).sum()

  both = jax.value_and_grad(value, (0, 1))
  wanted = jax.jit(both)(*values)
  explicit = mesh_of(AxisType.Explicit)
  with jax.set_mesh(explicit):
    assert_close(jax.jit(both)(*placed(explicit, values)), wanted, 1e-12, "explicit")

  def on_one_device(*values):
    value, gradients = both(*values)
    return jax.lax.psum(value, "data"), gradients

  along = jax.P(None, "data")
  manual = jax.shard_map(
    on_one_device,
    mesh=mesh_of(AxisType.Auto),
    in_specs=(jax.P(), along, jax.P("data"), along),
    out_specs=(jax.P(), (jax.P(), along)),
  )
  assert_close(jax.jit(manual)(*values), wanted, 1e-12, "shard_map")


@pytest.mark.parametrize(
  ("options", "says"),
  [
    ({"truncation": (0, 2)}, "1 <= k1 <= k2"),
    ({"truncation": (3, 2)}, "1 <= k1 <= k2"),
    ({"truncation": (2, 2), "segments": (3,)}, "truncation and segments"),
    ({"truncation": (2, 3), "taps": True}, "use k2 = k1, or no taps"),
  ],
)
def test_what_makes_no_sense_is_refused(options, says):
  s = subject("elman", jnp.float32)
  if "taps" in options:
    options["taps"] = (MEASURE, make_sinks(MEASURE, s.cell, s.params, s.xs))
  with pytest.raises(ValueError, match=says):
    unroll(s.cell, s.params, s.xs, **options)
