"""Held-out numbers: every example once, the same ones for all seeds."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.data.preparation import prepare
from rnn_research.training import evaluation
from rnn_research.training.evaluation import (
  compile_evaluate,
  compile_keep_best,
  fresh_chunks,
  held_out_chunks,
  pieces_of,
)
from rnn_research.training.placement import place_seeds
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.start import start
from tests.small_run import initial_state, make_config

TEST_SIZE = 360


pytestmark = pytest.mark.usefixtures("quick_module")


def prepared_run(folder, changes):
  """A run that doesn't train, and the parameters that it would begin with."""
  run = start(make_config(changes), str(folder))
  return run, initial_state(run)


def judge(run, params, chunks, pieces=None):
  """Evaluates on the first pieces, or all."""
  pieces = len(jax.tree.leaves(chunks)[0]) if pieces is None else pieces
  return compile_evaluate(run.program)(params, chunks, pieces)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
  """Two seeds that read digits."""
  folder = tmp_path_factory.mktemp("digits")
  prepare("digits", folder / "data", io.StringIO().write)
  changes = {
    "seeds": 2,
    "task.name": "",
    "data.name": "digits",
    "data.source": str(folder / "data"),
  }
  run, state = prepared_run(folder / "run", changes)
  yield run, state.params
  run.source.close()


def test_chunks_cover_the_test_split_once(digits, monkeypatch):
  run, _ = digits
  held_out = run.source.held_out()
  monkeypatch.setattr(evaluation, "CHUNK", 55)
  chunks = held_out_chunks(run.program, held_out)
  # Seven pieces of 52; the last one is filled up by 4.
  assert chunks.weights.shape == (7, 52)
  assert chunks.weights.sum() == TEST_SIZE
  kept = np.asarray(chunks.weights).ravel() > 0
  np.testing.assert_array_equal(
    np.asarray(chunks.targets).ravel()[kept], held_out.targets
  )
  inputs = np.moveaxis(np.asarray(chunks.inputs), 1, 2).reshape(-1, 64, 1)[kept]
  np.testing.assert_array_equal(inputs, held_out.inputs.swapaxes(0, 1))


def test_the_test_split_is_judged_as_a_whole(digits, monkeypatch):
  run, params = digits
  held_out = run.source.held_out()
  whole = judge(run, params, held_out_chunks(run.program, held_out))
  monkeypatch.setattr(evaluation, "CHUNK", 55)
  pieces = judge(run, params, held_out_chunks(run.program, held_out))
  np.testing.assert_array_equal(whole["sequences"], [TEST_SIZE] * 2)
  np.testing.assert_array_equal(pieces["sequences"], [TEST_SIZE] * 2)
  for name in ("loss", "error", "position_error"):
    np.testing.assert_allclose(pieces[name], whole[name], rtol=1e-6)

  for seed in range(2):
    own = jax.tree.map(lambda leaf, seed=seed: leaf[seed], params)
    batch = jax.tree.map(jnp.asarray, held_out)
    outputs = run.program.model.apply({"params": own}, batch, train=False)
    outputs = np.asarray(outputs, np.float64)
    targets = np.asarray(held_out.targets)
    right = outputs[np.arange(TEST_SIZE), targets]
    losses = np.log(np.exp(outputs).sum(-1)) - right
    np.testing.assert_allclose(whole["loss"][seed], losses.mean(), rtol=1e-5)
    error = (outputs.argmax(-1) != targets).mean()
    np.testing.assert_allclose(whole["error"][seed], error, rtol=1e-6)


def test_an_untrained_reader_of_digits_knows_as_much_as_chance(digits):
  run, params = digits
  found = judge(run, params, held_out_chunks(run.program, run.source.held_out()))
  problem = run.source.problem
  np.testing.assert_allclose(found["error"], problem.chance_error, atol=0.07)
  np.testing.assert_allclose(found["loss"], problem.chance_loss, rtol=0.2)


def test_all_seeds_are_asked_the_same(tmp_path):
  run, state = prepared_run(tmp_path, {})
  chunks = fresh_chunks(run.program, 1200)
  found = judge(run, state.params, chunks)
  np.testing.assert_array_equal(found["sequences"], [1500] * 4)
  assert len(set(found["loss"].tolist())) == 4
  problem = run.source.problem
  np.testing.assert_allclose(found["error"], problem.chance_error, atol=0.2)
  np.testing.assert_allclose(found["loss"], problem.chance_loss, rtol=0.3)

  # A shorter evaluation is the beginning of a longer one.
  fewer = judge(run, state.params, chunks, pieces_of(700))
  np.testing.assert_array_equal(fewer["sequences"], [1000] * 4)
  alone = judge(run, state.params, fresh_chunks(run.program, 700))
  for name in ("loss", "error", "position_error"):
    np.testing.assert_array_equal(fewer[name], alone[name])
    assert (fewer[name] != found[name]).any(), name

  same = jax.tree.map(lambda leaf: jnp.stack([leaf[2]] * 4), state.params)
  again = judge(run, place_seeds(run.layout, same), chunks)
  for name in ("loss", "error", "position_error"):
    assert set(again[name].tolist()) == {found[name][2].item()}, name


def test_what_is_asked_is_no_seeds_training_data(tmp_path):
  run, _ = prepared_run(tmp_path, {})
  chunks = jax.random.key_data(fresh_chunks(run.program, 5000))
  assert len({tuple(key) for key in chunks.tolist()}) == 10
  first = jax.random.key_data(fresh_chunks(run.program, 1))
  np.testing.assert_array_equal(first, chunks[:1])
  own = {tuple(key) for key in jax.random.key_data(seed_keys(0, 100)).tolist()}
  assert len(own) == 100
  assert not own & {tuple(key) for key in chunks.tolist()}


def test_the_best_is_remembered_seed_by_seed(tmp_path):
  run, state = prepared_run(tmp_path, {})
  keep = compile_keep_best(run.layout)

  def at(state, level, errors):
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, level), state.params)
    errors = jnp.asarray(errors, state.best_error.dtype)
    return keep(state._replace(params=params), place_seeds(run.layout, errors))

  state = state._replace(ok=state.ok.at[3].set(False))
  state = at(state, 1.0, [0.5, 0.5, 0.5, 0.1])
  state = at(state, 2.0, [0.6, 0.4, jnp.nan, 0.0])
  state = at(state, 3.0, [0.5, 0.45, 0.2, 0.0])
  np.testing.assert_allclose(state.best_error, [0.5, 0.4, 0.2, jnp.inf])
  kernel = np.asarray(state.best_params["head"]["kernel"])
  for seed, level in enumerate([1.0, 2.0, 3.0]):
    np.testing.assert_array_equal(kernel[seed], np.full_like(kernel[seed], level))
  assert len(np.unique(kernel[3])) > 1  # frozen: what it began with
