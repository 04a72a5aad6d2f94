"""Taps and traces of the layers inside a model."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import models
from rnn_research.cells import (
  GRU,
  LSTM,
)
from rnn_research.unroll import make_sinks, unroll
from tests.models.small_models import (
  BATCH,
  INPUTS,
  LENGTHS,
  MEASURE,
  OUTPUTS,
  TIME,
  affine,
  build,
  close,
  make_batch,
  random_params,
  run,
  run_again,
  streams,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


def test_the_gradient_of_taps_is_what_a_direct_unroll_reads():
  model = build("many_to_many", MEASURE, cell="lstm")
  params = random_params(model, make_batch(batch=2))
  batch = make_batch(lengths=LENGTHS)
  towards = jnp.array(np.random.default_rng(5).normal(size=(TIME, BATCH, OUTPUTS)))

  def through_model(params, taps, model=model):
    outputs = model.apply({"params": params, "taps": taps}, batch)
    return (outputs * towards).sum()

  def through_unroll(params, sinks):
    cell, head = params["layer_0"]["cell"], params["head"]
    taps = (MEASURE, sinks)
    _, ys = unroll(LSTM(), cell, batch.inputs, lengths=batch.lengths, taps=taps)
    outputs = ys @ head["kernel"] + head["bias"].reshape(1, 1, -1)
    return (outputs * towards).sum()

  taps = models.make_taps(model, params, batch)
  sinks = make_sinks(MEASURE, LSTM(), params["layer_0"]["cell"], batch.inputs)
  gradient, readings = jax.jit(jax.grad(through_model, (0, 1)))(params, taps)
  wanted_gradient, wanted = jax.jit(jax.grad(through_unroll, (0, 1)))(params, sinks)
  close(models.by_layer(readings), {"layer_0": wanted})
  close(gradient, wanted_gradient)
  assert wanted.inside["state"][0, 0] > 0.01
  # Without taps, and without a measure, it is the same function.
  for other in (model, build("many_to_many", cell="lstm")):
    unmeasured = jax.grad(functools.partial(through_model, model=other))
    close(gradient, jax.jit(unmeasured)(params, {}), 1e-14)


NAMES = {
  "many_to_one": ("layer_{}/forward", "layer_{}/backward"),
  "many_to_many": ("layer_{}/forward", "layer_{}/backward"),
  "one_to_many": ("layer_{}",),
  "encoder_decoder": ("encoder/layer_{}", "decoder/layer_{}"),
}


@pytest.mark.parametrize("form", models.MODELS)
def test_readings_and_traces_carry_the_names_of_the_layers(form):
  both_ways = form in ("many_to_one", "many_to_many")
  model = build(form, MEASURE, layers=2, bidirectional=both_ways)
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)

  def loss(taps):
    variables = {"params": params, "taps": taps}
    outputs, collected = model.apply(variables, batch, mutable=["traces"])
    return jnp.square(outputs).sum(), models.by_layer(collected["traces"])

  taps = models.make_taps(model, params, batch)
  readings, traces = jax.jit(jax.grad(loss, has_aux=True))(taps)
  readings = models.by_layer(readings)
  names = {name.format(n) for name in NAMES[form] for n in range(2)}
  assert set(readings) == set(traces) == names
  for name, reading in readings.items():
    assert reading.inside["state"].max() > 1e-6, name
    assert traces[name].reverse == name.endswith("backward")


def test_a_trace_runs_its_layer_again():
  model = build(
    "many_to_many",
    cell="lstm",
    layers=2,
    bidirectional=True,
    dropout=0.5,
    wrappers=("zoneout:0.3",),
  )
  batch = make_batch(lengths=LENGTHS)
  resets = jnp.zeros((TIME, BATCH), bool).at[2, 0].set(True)
  batch = batch._replace(resets=resets)
  params = random_params(model, batch)
  rngs = streams(jax.random.key(0))
  look = functools.partial(models.make_traces, model, train=True, rngs=rngs)
  again, read = {}, {}
  for name, trace in jax.jit(look)(params, batch).items():
    again[name], read[name] = run_again(trace), np.asarray(trace.xs)
  below, last = (
    np.concatenate([again[f"layer_{n}/forward"], again[f"layer_{n}/backward"]], -1)
    for n in range(2)
  )
  close(run(model, params, batch, True, rngs), affine(params["head"], last))
  seen = read["layer_1/forward"]
  close(seen, np.where(seen == 0, 0, 2 * below))
  np.testing.assert_array_equal(seen, read["layer_1/backward"])


class _Twice(nn.Module):
  layer: models.Recurrent

  @nn.compact
  def __call__(self, batch, train=False):
    return self.layer(self.layer(batch.inputs).ys).ys


@pytest.mark.parametrize("look", [models.make_taps, models.make_traces])
def test_a_layer_that_is_applied_twice_cannot_be_looked_into(look):
  model = _Twice(models.Recurrent(GRU(), INPUTS, measure=MEASURE))
  batch = make_batch()
  params = random_params(model, batch)
  assert run(model, params, batch).any()
  with pytest.raises(ValueError, match="'layer' is applied twice"):
    look(model, params, batch)
