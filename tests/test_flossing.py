"""Flossing: exponents go to zero, before training and in it."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import lyapunov_exponents
from rnn_research.models import make_traces
from rnn_research.training.flossing import compile_flossing, flossing_loss
from rnn_research.training.random_keys import FLOSSING, at_step
from rnn_research.training.start import start
from rnn_research.training.step import next_batch, plain_step
from tests.small_run import initial_state, make_config, train

FLOSSED = {
  "seeds": 2,
  "model.hidden": 16,
  "model.init.recurrent": "gaussian",
  "model.init.gain": 0.7,
  "task.length": 40,
  "train.steps": 0,
  "diagnostics.lag_every": 0,
  "flossing.before": 150,
  "flossing.exponents": 3,
  "flossing.examples": 4,
  "flossing.learning_rate": 0.01,
}


pytestmark = pytest.mark.usefixtures("quick_module")


@pytest.fixture(scope="module")
def flossed(tmp_path_factory):
  """A run that is flossed and not trained, and the parameters that it ends with."""
  run = start(make_config(FLOSSED), str(tmp_path_factory.mktemp("flossed")))
  state = initial_state(run)
  return run, state, *compile_flossing(run.program)(state.key, state.params, None)


def test_flossing_moves_the_leading_exponents_to_zero(flossed):
  """From below -0.1 to less than 0.05 in absolute value; its loss falls."""
  _, _, _, found = flossed
  before, after = (
    np.asarray(found.before["layer_0"]),
    np.asarray(found.after["layer_0"]),
  )
  assert (before < -0.1).all()
  assert (np.abs(after) < 0.05).all()
  loss = np.asarray(found.loss)
  assert loss.shape == (2, 150)
  # The typical one: Adam's steps at its end are as large as the distance that is left.
  assert (np.median(loss[:, -10:], 1) < 0.01 * loss[:, 0]).all()


def test_it_holds_on_other_sequences(flossed):
  """Of the parameters that it returns, by themselves."""
  run, state, params, _ = flossed
  batch = run.program.task.sample(jax.random.key(11), 4)

  @jax.jit
  def exponents(params):
    trace = make_traces(run.program.model, params, batch)["layer_0"]
    return lyapunov_exponents(trace, 3, key=jax.random.key(0)).mean(1)

  for seed in range(2):
    one = jax.tree.map(operator.itemgetter(seed), params)
    assert (np.abs(exponents(one)) < 0.08).all()
  # What no exponent depends on is left alone.
  for name, leaf in params["head"].items():
    np.testing.assert_array_equal(leaf, state.params["head"][name])


def test_a_run_begins_with_what_flossing_left(tmp_path):
  changes = FLOSSED | {
    "flossing.before": 3,
    "diagnostics.exponents_every": 2,
    "diagnostics.exponents": 3,
  }
  _, records = train(tmp_path, changes)
  row = records.rows[0]
  assert records.arrays["flossing/00000000"]["loss"].shape == (2, 3)
  first, last = (row[f"flossing/loss/{when}"] for when in ("first", "last"))
  assert (np.array(last) < np.array(first)).all()
  for index in range(3):
    before, after = (
      np.array(row[f"flossing/layer_0/{index}/{when}"]) for when in ("before", "after")
    )
    assert (np.abs(after) < np.abs(before)).all()
    # What the first row measures, on sequences of its own, are these parameters.
    begun = np.array(row[f"lyapunov/layer_0/{index}"])
    assert (np.abs(begun - after) < np.abs(begun - before)).all()


def small(folder, changes):
  base = FLOSSED | {
    "seeds": 1,
    "model.hidden": 4,
    "flossing.before": 0,
    "train.steps": 4,
  }
  run = start(make_config(base | changes), str(folder))
  return run, jax.tree.map(lambda leaf: leaf[0], initial_state(run))


def test_the_loss_is_the_mean_square_of_the_exponents(tmp_path):
  """Of the first examples and steps, over two layers alike."""
  changes = {"model.layers": 2, "flossing.examples": 2, "flossing.horizon": 30}
  run, state = small(tmp_path, changes)
  batch = run.program.task.sample(jax.random.key(1), 4)
  key = jax.random.key(2)
  found, exponents = jax.jit(functools.partial(flossing_loss, run.program))(
    state.params, batch, key
  )
  cut = batch._replace(
    inputs=batch.inputs[:30, :2],
    targets=batch.targets[:2],
    weights=batch.weights[:2],
    events=batch.events[:2],
    lengths=None if batch.lengths is None else jnp.minimum(batch.lengths[:2], 30),
  )

  @jax.jit
  def wanted(params):
    traces = make_traces(run.program.model, params, cut)
    return {
      name: lyapunov_exponents(trace, 3, key=key) for name, trace in traces.items()
    }

  layers = wanted(state.params)
  assert layers.keys() == exponents.keys() == {"layer_0", "layer_1"}
  for name, own in layers.items():
    np.testing.assert_allclose(exponents[name], own, rtol=1e-4, atol=1e-6)
  squares = [np.square(np.asarray(own)).mean() for own in layers.values()]
  np.testing.assert_allclose(found, np.mean(squares), rtol=1e-4)


def test_in_training_its_gradient_is_added_with_its_weight(tmp_path):
  """The update of plain descent; the loss that is recorded is the task's own."""
  descent = {"optimizer.name": "sgd", "optimizer.clip_bound": 0.0}
  weight = 0.5
  bare, state = small(tmp_path / "bare", descent)
  with_term, _ = small(tmp_path / "term", descent | {"flossing.weight": weight})
  plain, ledger = jax.jit(lambda s: plain_step(bare.program, s, None))(state)
  moved, same = jax.jit(lambda s: plain_step(with_term.program, s, None))(state)
  np.testing.assert_allclose(same.loss, ledger.loss, rtol=1e-6)
  batch = next_batch(bare.program, state, None)
  key = at_step(state.key, FLOSSING, state.step)

  def added(params):
    return flossing_loss(with_term.program, params, batch, key)[0]

  gradient = jax.jit(jax.grad(added))(state.params)
  rate = bare.config.optimizer.learning_rate
  wanted = jax.tree.map(lambda p, g: p - rate * weight * g, plain.params, gradient)
  for found, own in zip(
    jax.tree.leaves(moved.params), jax.tree.leaves(wanted), strict=True
  ):
    np.testing.assert_allclose(found, own, rtol=1e-5, atol=1e-7)
  differences = jax.tree.map(
    lambda a, b: float(jnp.abs(a - b).max()), moved.params, plain.params
  )
  assert max(jax.tree.leaves(differences)) > 1e-5


def test_a_data_set_is_flossed_on_the_batch_it_gives(tmp_path):
  """One a seed, the same at every update."""
  run = start(make_config(FLOSSED | {"flossing.before": 2}), str(tmp_path))
  state = initial_state(run)
  given = jax.vmap(lambda key: run.program.task.sample(key, 4))(state.key)
  program = run.program._replace(task=None)
  _, found = compile_flossing(program)(state.key, state.params, given)
  for seed in range(2):
    one, key, batch = (
      jax.tree.map(operator.itemgetter(seed), tree)
      for tree in (state.params, state.key, given)
    )
    directions = jax.random.split(at_step(key, FLOSSING, 0))[1]
    loss, _ = jax.jit(functools.partial(flossing_loss, program))(one, batch, directions)
    np.testing.assert_allclose(found.loss[seed, 0], loss, rtol=1e-5)
  assert (found.loss[:, 1] < found.loss[:, 0]).all()
