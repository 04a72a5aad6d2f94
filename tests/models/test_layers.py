"""Layers against the unrolls that they are made of."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import models
from rnn_research.cells import (
  GRU,
  LSTM,
)
from rnn_research.models.recurrent import Recurrent
from rnn_research.models.stacked import Stacked
from tests.laws.closeness import assert_close
from tests.laws.subjects import ConvolutionalLSTM
from tests.models.small_models import (
  BATCH,
  HIDDEN,
  INPUTS,
  LENGTHS,
  OUTPUTS,
  TIME,
  affine,
  alone,
  build,
  close,
  make_batch,
  random_params,
  run,
  run_cell,
  run_layer,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


@pytest.mark.parametrize("residual, layer_norm", [(False, True), (True, False)])
def test_a_stack_is_one_unroll_after_the_other(residual, layer_norm):
  batch = make_batch()
  stacked = models.Stacked(
    LSTM(), INPUTS, layers=2, residual=residual, layer_norm=layer_norm
  )
  params = random_params(stacked, batch.inputs)
  xs, carries = np.asarray(batch.inputs), []
  for n in range(2):
    read = xs
    if n and layer_norm:
      norm = jax.tree.map(np.asarray, params["norm_1"])
      centred = xs - xs.mean(-1, keepdims=True)
      read = centred / np.sqrt(xs.var(-1, keepdims=True) + 1e-5)
      read = read * norm["scale"] + norm["bias"]
    carry, ys = run_cell(LSTM(), params[f"layer_{n}"]["cell"], jnp.array(read))
    xs = np.asarray(ys) + xs if residual else np.asarray(ys)
    carries.append(carry)
  output = run_layer(stacked, params, batch)
  close(output, models.LayerOutput(tuple(carries), xs, xs[-1]))


MERGES = {
  "concat": lambda f, b: np.concatenate([f, b], -1),
  "sum": lambda f, b: f + b,
  "mean": lambda f, b: 0.5 * (f + b),
  "multiply": lambda f, b: f * b,
}


@pytest.mark.parametrize("mode", models.MERGES)
def test_bidirectional_is_two_unrolls_reversed_within_the_length(mode):
  batch = make_batch(lengths=LENGTHS)
  layer = models.Bidirectional(GRU(), HIDDEN, merge=mode)
  params = random_params(layer, batch.inputs)
  output = jax.tree.map(np.asarray, run_layer(layer, params, batch))
  close(output.summary[3], np.zeros_like(output.summary[3]))
  close([carry.hidden[3] for carry in output.carry], [np.zeros(HIDDEN)] * 2)
  for b, valid in enumerate(LENGTHS[:3]):
    xs = alone(batch, b).inputs
    ahead, forward = run_cell(GRU(), params["forward"]["cell"], xs)
    back, backward = run_cell(GRU(), params["backward"]["cell"], xs[::-1])
    f, b_ = np.asarray(forward)[:, 0], np.asarray(backward)[::-1, 0]
    close(output.ys[:valid, b], MERGES[mode](f, b_))
    close(output.ys[valid:, b], np.zeros_like(output.ys[valid:, b]))
    close(output.summary[b], MERGES[mode](f[-1], b_[0]))
    states = [carry.hidden[b] for carry in output.carry]
    close(states, [ahead.hidden[0], back.hidden[0]])


@pytest.mark.parametrize(
  "pooling, merge",
  [("last", "concat"), ("mean", "sum"), ("max", "concat")],
)
def test_a_padded_example_equals_itself_alone_with_gradients(pooling, merge):
  batch = make_batch(lengths=LENGTHS)
  model = build(
    hidden=INPUTS if merge == "sum" else HIDDEN,
    layers=2,
    bidirectional=True,
    merge=merge,
    residual=True,
    layer_norm=True,
    pooling=pooling,
  )
  params = random_params(model, batch)
  towards = np.random.default_rng(5).normal(size=OUTPUTS)

  @functools.partial(jax.jit, static_argnums=2)
  @functools.partial(jax.grad, has_aux=True)
  def one_output(params, batch, example):
    outputs = model.apply({"params": params}, batch)
    return (outputs[example] * towards).sum(), outputs

  gradient, outputs = one_output(params, batch, 1)
  gradient_alone, output = one_output(params, alone(batch, 1), 0)
  close(outputs[1], output[0])
  close(gradient, gradient_alone)
  # The example of length 0 has no state: its output is the bias of the head.
  close(outputs[3], params["head"]["bias"])


POOLINGS = {
  "last": lambda ys: ys[-1],
  "mean": lambda ys: ys.mean(0),
  "max": lambda ys: ys.max(0),
}


@pytest.mark.parametrize("pooling", models.POOLINGS)
def test_pooling_sees_valid_steps_only(pooling):
  batch = make_batch(lengths=LENGTHS)
  model = build(pooling=pooling)
  params = random_params(model, batch)
  outputs = run(model, params, batch)
  whole = run(model, params, alone(batch, 0))
  for b in range(3):
    xs = alone(batch, b).inputs
    ys = np.asarray(run_cell(GRU(), params["layer_0"]["cell"], xs)[1])
    close(outputs[b], affine(params["head"], POOLINGS[pooling](ys[:, 0])))
  close(whole[0], outputs[0])


def test_resets_part_a_row_into_sequences():
  model = build("many_to_many", layers=2, bidirectional=True)
  batch = make_batch()
  params = random_params(model, batch)
  resets = jnp.zeros((TIME, BATCH), bool).at[2].set(True)
  outputs = run(model, params, batch._replace(resets=resets))
  parts = [
    run(model, params, batch._replace(inputs=xs))
    for xs in (batch.inputs[:2], batch.inputs[2:])
  ]
  close(outputs, np.concatenate(parts))


@pytest.mark.parametrize("time, segmented", [(1999, False), (2000, True)])
def test_long_sequences_run_in_segments_unless_told_otherwise(time, segmented):
  """The loss is on the summary, so that the outputs of all steps take no place."""

  def stored(levels):
    layer = models.Recurrent(LSTM(), 16, segment_levels=levels)
    xs = jax.ShapeDtypeStruct((time, 4, 2), jax.dtypes.canonicalize_dtype(float))
    params = jax.eval_shape(layer.init, jax.random.key(0), xs)

    def loss(params, xs):
      return jnp.square(layer.apply(params, xs).summary).sum()

    compiled = jax.jit(jax.grad(loss)).lower(params, xs).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  assert stored(-1) == stored(1 if segmented else 0)
  assert stored(1) < stored(0) / 10


def test_features_of_any_rank_have_lengths():
  """A padded video is the video alone."""
  layer = Recurrent(cell=ConvolutionalLSTM(), hidden=4)
  xs = jax.random.normal(jax.random.key(0), (5, 2, 7, 3))
  lengths = jnp.array([5, 3])
  variables = layer.init(jax.random.key(1), xs)
  padded = layer.apply(variables, xs, lengths=lengths)
  for example, length in enumerate(lengths):
    alone = layer.apply(variables, xs[:length, example : example + 1])
    assert_close(padded.summary[example], alone.summary[0], 1e-12)
    assert_close(padded.ys[:length, example], alone.ys[:, 0], 1e-12)
    assert not padded.ys[length:, example].any()


def test_each_half_of_a_summary_has_the_input_of_its_own_end():
  """With a residual connection around a first layer that is as wide as its input."""
  stack = Stacked(cell=GRU(), hidden=2, layers=1, bidirectional=True, residual=True)
  xs = jax.random.normal(jax.random.key(0), (6, 2, 4))
  lengths = jnp.array([6, 4])
  found = stack.apply(stack.init(jax.random.key(1), xs), xs, lengths=lengths)
  for example, length in enumerate(lengths):
    wanted = [found.ys[length - 1, example, :2], found.ys[0, example, 2:]]
    assert_close(found.summary[example], jnp.concatenate(wanted), 1e-12)
