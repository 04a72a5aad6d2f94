"""Models against the unrolls and linear maps that they are made of."""

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
  Elman,
  HiddenCarry,
  Initial,
  MemoryCarry,
  Residual,
  Zoneout,
)
from rnn_research.config import CellOptions, InitConfig, ModelConfig
from rnn_research.errors import ConfigError
from rnn_research.problem import Batch, Problem
from rnn_research.unroll import Measure, make_sinks, scaled_norm, step, unroll

pytestmark = pytest.mark.usefixtures("float64", "quick_compilation")

TIME, BATCH, INPUTS, HIDDEN, OUTPUTS = 6, 4, 3, 5, 3
LENGTHS = (6, 4, 1, 0)
TINY = 1e-12


def _inside(event):
  return {"state": scaled_norm(event.adjoint.hidden)}


def _after(stacked):
  return {"projection": scaled_norm(stacked.projection, 2)}


MEASURE = Measure(_inside, _after)

run_cell = jax.jit(unroll, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def initialise(model, key, batch):
  return model.init(key, batch)["params"]


@functools.partial(jax.jit, static_argnames=("model", "train"))
def apply(model, params, batch, train, rngs):
  return model.apply({"params": params}, batch, train=train, rngs=rngs)


@pytest.fixture
def quick_compilation():
  """Programs here run once; optimising them is most of their time."""
  jax.config.update("jax_disable_most_optimizations", True)
  yield
  jax.config.update("jax_disable_most_optimizations", False)


def build(form="many_to_one", measure=None, loss="cross_entropy", **options):
  config = ModelConfig(**{"hidden": HIDDEN} | options)
  problem = Problem("test", form, TIME, INPUTS, OUTPUTS, loss, 0.0, 1.0, 1.0)
  return models.build(config, problem, measure)


def make_batch(seed=0, batch=BATCH, lengths=None):
  """Normal inputs, NaN on padding, and whatever any form reads."""
  rng = np.random.default_rng(seed)
  inputs = rng.normal(size=(TIME, batch, INPUTS))
  if lengths is not None:
    inputs[np.arange(TIME)[:, None] >= np.array(lengths)] = np.nan
    lengths = jnp.array(lengths)
  return Batch(
    inputs=jnp.array(inputs),
    targets=jnp.zeros(batch),
    weights=jnp.ones(batch),
    lengths=lengths,
    context=jnp.array(rng.normal(size=(batch, 2))),
    decoder_inputs=jnp.array(rng.integers(0, OUTPUTS, (TIME, batch))),
  )


def alone(batch, example):
  """One example without its padding."""
  inputs = batch.inputs[: LENGTHS[example], example : example + 1]
  return batch._replace(inputs=inputs, lengths=None)


def random_params(model, batch):
  """Drawn parameters, shaken so that no bias or scale is trivial."""
  params = initialise(model, jax.random.key(1), batch)
  rng = np.random.default_rng(1)

  def shake(leaf):
    return jnp.array(np.asarray(leaf) + 0.1 * rng.normal(size=leaf.shape))

  return jax.tree.map(shake, params)


def run(model, params, batch, train=False, rngs=None):
  """The outputs of a model."""
  return np.asarray(apply(model, params, batch, train, rngs))


def run_layer(layer, params, batch):
  apply = jax.jit(layer.apply)
  return apply({"params": params}, batch.inputs, lengths=batch.lengths)


def run_again(trace):
  return np.asarray(jax.jit(lambda trace: trace.run()[1])(trace))


def streams(key):
  dropout, noise = jax.random.split(key)
  return {"dropout": dropout, "noise": noise}


def affine(params, value):
  kernel, bias = np.asarray(params["kernel"]), np.asarray(params["bias"])
  return np.asarray(value) @ kernel + bias


def close(got, wanted, tolerance=TINY):
  pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
  for g, w in pairs:
    g, w = np.asarray(g), np.asarray(w)
    bound = tolerance * max(1.0, np.abs(w).max(initial=0))
    np.testing.assert_allclose(g, w, rtol=0, atol=bound, strict=True)


# Layers


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


# Randomness


def test_evaluation_drops_nothing_and_draws_no_noise():
  batch = make_batch()
  plain = build("many_to_many", layers=2)
  noisy = build("many_to_many", layers=2, dropout=0.5)
  zoned = build("many_to_many", layers=2, wrappers=("zoneout:0.3",))
  params = random_params(plain, batch)
  np.testing.assert_array_equal(run(noisy, params, batch), run(plain, params, batch))
  for model in (noisy, zoned):
    evaluated = run(model, params, batch)
    first, same, other = (
      run(model, params, batch, True, streams(jax.random.key(seed)))
      for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01
    assert np.abs(first - evaluated).max() > 0.01


def test_nothing_is_dropped_below_the_first_or_above_the_last_layer():
  batch = make_batch()
  model = build("many_to_many", dropout=0.5)
  params = random_params(model, batch)
  trained = run(model, params, batch, True, streams(jax.random.key(0)))
  np.testing.assert_array_equal(trained, run(model, params, batch))


@pytest.mark.parametrize("variational", [False, True])
def test_the_dropout_mask(variational):
  rate, batch = 0.25, make_batch(batch=50)
  model = build(hidden=40, layers=2, dropout=rate, variational=variational)
  rngs = streams(jax.random.key(0))
  look = functools.partial(models.make_traces, model, train=True, rngs=rngs)
  traces = jax.jit(look)(random_params(model, batch), batch)
  below, above = run_again(traces["layer_0"]), np.asarray(traces["layer_1"].xs)
  kept = above != 0
  close(above, np.where(kept, below / (1 - rate), 0))
  draws = kept[0].size if variational else kept.size
  assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / draws)
  constant = (kept == kept[:1]).all(0)
  # Six independent draws agree with probability .75**6 + .25**6.
  share = 1 if variational else 0.75**6 + 0.25**6
  error = np.sqrt(share * (1 - share) / constant.size)
  assert abs(constant.mean() - share) <= 5 * error


# Generation


def test_decoding_equals_teacher_forcing_on_its_own_tokens():
  model = build("encoder_decoder", cell="lstm", layers=2, residual=True)
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)
  # A head that turns away from the token just read, so that tokens change.
  params["head"]["kernel"] -= 3 * params["embed"]["embedding"][:OUTPUTS].T
  decode = jax.jit(model.decode, static_argnums=3)
  tokens, logits = decode(params, batch.inputs, batch.lengths, 9)
  assert (np.diff(tokens, axis=0) != 0).any(0).all()
  np.testing.assert_array_equal(tokens, logits.argmax(-1))
  start = jnp.full((1, BATCH), OUTPUTS, tokens.dtype)
  forced = batch._replace(decoder_inputs=jnp.concatenate([start, tokens[:-1]]))
  close(run(model, params, forced), logits)


def test_the_decoder_begins_with_the_carries_of_the_encoder():
  model = build("encoder_decoder", cell="lstm", layers=2)
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)
  read = batch.inputs
  embedding = np.asarray(params["embed"]["embedding"])
  write = jnp.array(embedding[np.asarray(batch.decoder_inputs)])
  for layer in ("layer_0", "layer_1"):
    encoder, decoder = (params[part][layer]["cell"] for part in ("encoder", "decoder"))
    carry, read = run_cell(LSTM(), encoder, read, lengths=batch.lengths)
    _, write = run_cell(LSTM(), decoder, write, initial_carry=carry)
  close(run(model, params, batch), affine(params["head"], write))


@pytest.mark.parametrize(
  "cell, loss", [("lstm", "squared_error"), ("rnn", "cross_entropy")]
)
def test_generation_equals_teacher_forcing_and_steps_by_hand(cell, loss):
  model = build("one_to_many", loss=loss, cell=cell, layers=2)
  batch = make_batch()
  params = random_params(model, batch)
  generate = jax.jit(model.generate, static_argnums=2)
  written, outputs = generate(params, batch.context, TIME)
  shifted = jnp.concatenate([jnp.zeros_like(written[:1]), written[:-1]])
  close(run(model, params, batch._replace(inputs=shifted)), outputs)

  kind, carry_type = {"rnn": (Elman(), HiddenCarry), "lstm": (LSTM(), MemoryCarry)}[
    cell
  ]
  condition = {
    name: jnp.array(affine(leaf, batch.context))
    for name, leaf in params["condition"].items()
  }
  carries = [
    carry_type(*(condition[f"layer_{n}_{name}"] for name in carry_type._fields))
    for n in range(2)
  ]
  one_step = jax.jit(step, static_argnums=0)
  last = np.zeros((BATCH, OUTPUTS))
  for t in range(TIME):
    y = jnp.array(last)
    for n in range(2):
      carries[n], y = one_step(kind, params[f"layer_{n}"]["cell"], carries[n], y)
    y = affine(params["head"], y)
    close(outputs[t], y)
    last = y if loss == "squared_error" else np.eye(OUTPUTS)[y.argmax(-1)]
    close(written[t], last)


def test_drawn_classes_have_the_predicted_frequencies():
  model = build("one_to_many", loss="cross_entropy")
  params = random_params(model, make_batch())
  many = 4000
  context = jnp.tile(jnp.array([[3.0, -2.0]]), (many, 1))
  generate = jax.jit(model.generate, static_argnums=2)
  drawn = generate(params, context, 2, jax.random.key(3))
  written, outputs = jax.tree.map(np.asarray, drawn)
  np.testing.assert_array_equal(np.sort(written, -1)[..., :2], 0)
  np.testing.assert_array_equal(written.max(-1), 1)
  expected = np.exp(outputs[0, 0]) / np.exp(outputs[0, 0]).sum()
  assert expected.max() < 0.9
  error = np.sqrt(expected * (1 - expected) / many)
  assert (np.abs(written[0].mean(0) - expected) < 5 * error).all()
  # The second step reads what was drawn, so equal draws have equal outputs.
  first = written[0].argmax(-1)
  groups = [outputs[1][first == c] for c in range(OUTPUTS)]
  for group in groups:
    close(group, np.broadcast_to(group[:1], group.shape))
  assert np.abs(groups[0][0] - groups[1][0]).max() > 1e-3


def test_a_squared_error_has_no_distribution_to_draw_from():
  model = build("one_to_many", loss="squared_error")
  with pytest.raises(ValueError, match="leave out the key"):
    model.generate({}, jnp.ones((1, 2)), 3, jax.random.key(0))


def test_padding_of_a_generated_sequence_reaches_no_gradient():
  model = build("one_to_many", loss="squared_error")
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)
  weights = (np.arange(TIME)[:, None] < np.array(LENGTHS))[..., None].astype(float)

  @jax.jit
  @jax.grad
  def gradient(params, batch):
    return (model.apply({"params": params}, batch) * weights).sum()

  clean = batch._replace(inputs=jnp.nan_to_num(batch.inputs))
  close(gradient(params, batch), gradient(params, clean))


# What is seen inside


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


# Parameters


def test_models_that_differ_in_their_start_alone_are_one_static_argument():
  first, second = build(), build(init=InitConfig(gain=3.0))
  assert first == second and hash(first) == hash(second)
  assert first != build(hidden=HIDDEN + 1)
  for layer in (models.Recurrent, models.Bidirectional, models.Stacked):
    same = [layer(GRU(), HIDDEN, initial=Initial(gain=gain)) for gain in (1.0, 3.0)]
    assert len(set(same)) == 1
  batch = make_batch()
  starts = [jax.jit(m.init)(jax.random.key(0), batch) for m in (first, second)]
  kernels = [s["params"]["layer_0"]["cell"]["hidden"]["kernel"] for s in starts]
  close(3 * kernels[0], kernels[1])
  traced = []

  @functools.partial(jax.jit, static_argnums=0)
  def apply(model, variables, batch):
    traced.append(model)
    return model.apply(variables, batch)

  outputs = [apply(*pair, batch) for pair in zip((first, second), starts, strict=True)]
  assert len(traced) == 1
  assert np.abs(outputs[0] - outputs[1]).max() > 0.01


@pytest.mark.parametrize(
  "form, options, paths",
  [
    ("many_to_one", {}, ["layer_0/cell/"]),
    (
      "many_to_many",
      {"bidirectional": True, "layers": 2, "layer_norm": True},
      [
        *(f"layer_{n}/{d}/cell/" for n in range(2) for d in ("forward", "backward")),
        "norm_1/scale",
        "norm_1/bias",
      ],
    ),
    (
      "one_to_many",
      {},
      [
        "layer_0/cell/",
        "condition/layer_0_hidden/kernel",
        "condition/layer_0_hidden/bias",
      ],
    ),
    (
      "encoder_decoder",
      {},
      ["encoder/layer_0/cell/", "decoder/layer_0/cell/", "embed/embedding"],
    ),
  ],
)
def test_parameters_have_the_promised_paths(form, options, paths):
  model = build(form, MEASURE, cell="rnn", **options)
  variables = jax.jit(model.init)(jax.random.key(0), make_batch())
  assert list(variables) == ["params"]
  leaves, _ = jax.tree_util.tree_flatten_with_path(variables["params"])
  found = {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf
    for path, leaf in leaves
  }
  wanted = {"head/kernel", "head/bias"}
  for path in paths:
    ends = ("input/kernel", "input/bias", "hidden/kernel")
    wanted |= {path + end for end in ends} if path.endswith("/") else {path}
  assert set(found) == wanted
  np.testing.assert_array_equal(found["head/bias"], 0)
  assert {leaf.dtype for leaf in found.values()} == {np.dtype("float64")}


def test_the_config_chooses_cell_wrappers_and_start():
  config = ModelConfig(
    cell="lstm",
    cell_options=CellOptions(peepholes=True, projection=2),
    wrappers=("zoneout:0.25", "residual"),
    init=InitConfig(recurrent="gaussian", forget_bias=2.0),
  )
  cell = Residual(Zoneout(LSTM(peepholes=True, projection=2), 0.25))
  assert models.make_cell(config) == cell
  initial = Initial(recurrent="gaussian", forget_bias=2.0)
  assert models.make_initial(config.init) == initial
  model = build(**vars(config))
  assert (model.stacked.cell, model.stacked.initial) == (cell, initial)


def test_parts_that_do_not_go_together_are_refused():
  for form in ("one_to_many", "encoder_decoder"):
    with pytest.raises(ConfigError, match="^model.bidirectional: "):
      build(form, bidirectional=True)
  with pytest.raises(ConfigError, match="^model.adjoint: "):
    build(measure=MEASURE, adjoint="autodiff")


def test_autodiff_is_an_oracle_of_the_whole_model():
  options = {"layers": 2, "bidirectional": True, "cell": "lstm"}
  batch = make_batch(lengths=LENGTHS)
  fused, autodiff = build(**options), build(adjoint="autodiff", **options)
  params = random_params(fused, batch)

  def loss(params, model):
    return jnp.square(model.apply({"params": params}, batch)).sum()

  gradient = jax.jit(jax.grad(loss), static_argnums=1)
  close(gradient(params, fused), gradient(params, autodiff))
  segmented = build(segment_levels=1, **options)
  assert "remat" in str(jax.make_jaxpr(loss, static_argnums=1)(params, segmented))
  close(gradient(params, fused), gradient(params, segmented))


# Axes


@pytest.mark.parametrize("form", models.MODELS)
def test_examples_do_not_see_each_other(form):
  order = np.array([2, 0, 3, 1])
  model = build(form, layers=2, layer_norm=True)
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)
  moved = batch._replace(
    inputs=batch.inputs[:, order],
    lengths=batch.lengths[order],
    context=batch.context[order],
    decoder_inputs=batch.decoder_inputs[:, order],
  )
  axis = 0 if form == "many_to_one" else 1
  wanted = np.take(run(model, params, batch), order, axis)
  close(run(model, params, moved), wanted)


def test_seeds_in_one_program_equal_seeds_alone():
  model = build(
    measure=MEASURE, cell="rnn", layers=2, dropout=0.5, wrappers=("zoneout:0.1",)
  )
  batches = [make_batch(seed, lengths=LENGTHS) for seed in (0, 1)]
  keys = jax.random.split(jax.random.key(0), 2)

  def stack(first, second):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), first, second)

  batch = stack(*batches)
  params = [initialise(model, key, batches[0]) for key in keys]
  start = jax.vmap(lambda key, batch: model.init(key, batch)["params"])
  close(jax.jit(start)(keys, batch), stack(*params))

  def gradients(given):
    key, params, batch = given
    taps = models.make_taps(model, params, batch)

    def loss(params, taps):
      variables = {"params": params, "taps": taps}
      outputs = model.apply(variables, batch, train=True, rngs=streams(key))
      return jnp.square(outputs).sum()

    return jax.grad(loss, argnums=(0, 1))(params, taps)

  single = jax.jit(gradients)
  wanted = stack(*(single(given) for given in zip(keys, params, batches, strict=True)))
  mesh = jax.make_mesh((2,), ("seed",), axis_types=(jax.sharding.AxisType.Auto,))
  along, mapped = jax.P("seed"), functools.partial(jax.lax.map, gradients)
  sharded = jax.shard_map(mapped, mesh=mesh, in_specs=along, out_specs=along)
  for over_seeds in (mapped, jax.vmap(gradients), sharded):
    close(jax.jit(over_seeds)((keys, stack(*params), batch)), wanted)


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
