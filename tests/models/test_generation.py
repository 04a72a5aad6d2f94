"""Models that write their outputs one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import (
  LSTM,
  Elman,
  HiddenCarry,
  MemoryCarry,
)
from rnn_research.unroll import step
from tests.models.small_models import (
  BATCH,
  LENGTHS,
  OUTPUTS,
  TIME,
  affine,
  build,
  close,
  make_batch,
  random_params,
  run,
  run_cell,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


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
  counts = batch.context.astype(int)
  with jax.numpy_dtype_promotion("standard"):
    counted = generate(params, counts, TIME)
  close(counted, generate(params, counts.astype(float), TIME))

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
