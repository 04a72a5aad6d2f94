"""Seeds in one program, the measured step, and divergence as a result."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_research.training import run as run_module
from rnn_research.training.advance import advance_seed, compile_advance
from rnn_research.training.objective import forward
from rnn_research.training.random_keys import NOISE, at_step
from rnn_research.training.start import start
from rnn_research.training.step import logged_step, next_batch, plain_step
from tests.small_run import (
  assert_same_arrays,
  initial_state,
  make_config,
  named_arrays,
  saved_state,
  train,
)

pytestmark = pytest.mark.usefixtures("quick_module")


def first_dispatch(folder, changes):
  """Ledger and norms of the first two steps, as numpy arrays by path."""
  run = start(make_config(changes), str(folder))
  _, ledger, detail = compile_advance(run.program, 2, 1)(initial_state(run), None)
  return named_arrays({"ledger": ledger, "detail": detail})


@pytest.fixture(scope="module")
def four(tmp_path_factory):
  """Seeds 0 to 3, one after the other on one device."""
  return first_dispatch(tmp_path_factory.mktemp("four"), {})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
  """Seed 2 with nothing beside it."""
  return first_dispatch(tmp_path_factory.mktemp("alone"), {"seeds": 1, "seed": 2})


def of_first_step(arrays):
  """The ledger of the first step; rounding has not had a second step to grow."""
  return {
    name: leaf[:, 0, 0] for name, leaf in arrays.items() if name.startswith("ledger")
  }


def assert_close(found, wanted, tolerance):
  assert found.keys() == wanted.keys()
  for name, value in wanted.items():
    np.testing.assert_allclose(
      found[name].astype(float),
      value.astype(float),
      rtol=tolerance,
      atol=tolerance,
      err_msg=name,
    )


def test_a_seed_is_the_same_alone_and_beside_others(four, alone):
  assert_same_arrays(alone, {name: leaf[2:3] for name, leaf in four.items()})
  losses = four["ledger/loss"][:, 0, 0]
  assert len(set(losses.tolist())) == 4


def test_seeds_side_by_side_are_the_same_to_rounding(four, tmp_path):
  found = first_dispatch(tmp_path, {"train.seed_loop": "vmap"})
  assert_close(of_first_step(found), of_first_step(four), 1e-6)


def test_a_batch_on_two_devices_is_that_of_one_to_rounding(alone, tmp_path):
  changes = {"seeds": 1, "seed": 2, "train.devices": 2}
  found = first_dispatch(tmp_path, changes)
  assert_close(of_first_step(found), of_first_step(alone), 1e-6)


def test_seeds_on_two_devices_are_those_of_one(four, tmp_path):
  found = first_dispatch(tmp_path, {"train.devices": 2})
  assert_close(of_first_step(found), of_first_step(four), 1e-6)


def one_seed(run):
  """The first seed's state."""
  return jax.tree.map(lambda leaf: leaf[0], initial_state(run))


def test_being_measured_changes_no_step(tmp_path):
  changes = {"seeds": 1, "model.cell": "lstm", "optimizer.clip_bound": 0.05}
  run = start(make_config(changes), str(tmp_path))
  assert run.program.measured != run.program.model
  state = one_seed(run)
  plain, ledger = jax.jit(lambda s: plain_step(run.program, s, None))(state)
  logged, entry, detail = jax.jit(lambda s: logged_step(run.program, s, None))(state)
  assert_close(named_arrays(logged.params), named_arrays(plain.params), 1e-6)
  assert_close(named_arrays(entry), named_arrays(ledger), 1e-6)
  assert detail.layers.keys() == {"layer_0"}
  # The step did something, and the clip acted on it.
  assert entry.clipped and entry.update_norm > 0


def test_being_measured_changes_no_step_in_double_precision(float64, tmp_path):
  run = start(make_config({"seeds": 1}), str(tmp_path))
  state = one_seed(run)
  assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {np.dtype(float)}
  plain, _ = jax.jit(lambda s: plain_step(run.program, s, None))(state)
  logged, *_ = jax.jit(lambda s: logged_step(run.program, s, None))(state)
  assert_close(named_arrays(logged.params), named_arrays(plain.params), 1e-14)


def plant(monkeypatch, seed, value):
  """Begins one seed with a parameter that can't be trained."""
  make = run_module.make_state

  def make_state(*arguments):
    state = make(*arguments)
    kernel = state.params["layer_0"]["cell"]["hidden"]["kernel"]
    state.params["layer_0"]["cell"]["hidden"]["kernel"] = kernel.at[seed].set(value)
    return state

  monkeypatch.setattr(run_module, "make_state", make_state)


def test_a_seed_that_diverges_leaves_the_others_alone(tmp_path, monkeypatch):
  _, whole = train(tmp_path / "whole")
  plant(monkeypatch, 1, jnp.nan)
  run, found = train(tmp_path / "planted")
  others = [0, 2, 3]

  assert found.status["state"] == "finished"
  fates = [seed["diverged_at"] for seed in found.status["seeds"]]
  assert fates == [None, 0, None, None]
  # NaN from the first state on; no adjoint is finite where the loss is not.
  assert found.status["seeds"][1]["first_nonfinite"] == {
    "cause": "forward",
    "layer": "layer_0",
    "time": 0,
    "layers": {"layer_0": {"forward": 0, "adjoint": 9}},
  }
  assert [found.status["seeds"][s]["first_nonfinite"] for s in others] == [None] * 3
  assert found.status["final"]["loss"][1] is None
  assert found.status["final"]["error"][1] == 1.0

  assert [row.keys() for row in found.rows] == [row.keys() for row in whole.rows]
  for row, wanted in zip(found.rows, whole.rows, strict=True):
    for name, values in wanted.items():
      if name == "step":
        assert row[name] == values
        continue
      for seed in others:
        assert row[name][seed] == values[seed], name
    assert row["step"] == 0 or row["train/loss"][1] is None
  for name, content in whole.arrays.items():
    for key, wanted in content.items():
      axis = 1 if name.startswith("ledger/") else 0
      if key != "step":
        taken = found.arrays[name][key].take(others, axis)
        np.testing.assert_array_equal(taken, wanted.take(others, axis), err_msg=name)

  state = saved_state(run, 12)
  assert state["ok"].tolist() == [True, False, True, True]
  assert state["step"].tolist() == [12] * 4


def test_a_rate_that_blows_up_freezes_just_before(tmp_path):
  blown = {
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 3e38,
    "optimizer.clip_bound": 0.0,
    "diagnostics.lag_every": 0,
  }
  run, records = train(tmp_path, blown)
  assert records.status["state"] == "finished"
  assert records.status["step"] == 12
  diverged = [seed["diverged_at"] for seed in records.status["seeds"]]
  assert None not in diverged, diverged
  found = [seed["first_nonfinite"]["cause"] for seed in records.status["seeds"]]
  # Parameters of 10^38 are finite, and so is a tanh; what is read out is not.
  assert set(found) == {"loss"}
  # What is kept is the last state that was finite.
  state = saved_state(run, 12)
  for name, leaf in state.items():
    if name.startswith("params/"):
      assert np.isfinite(leaf).all(), name
  assert not state["ok"].any()


def test_best_parameters_are_those_of_the_lowest_error(tmp_path):
  changes = {"train.checkpoint_every": 4, "optimizer.learning_rate": 0.3}
  run, records = train(tmp_path, changes | {"diagnostics.lag_every": 0})
  evaluated = {
    row["step"]: row["eval/error"] for row in records.rows if "eval/error" in row
  }
  assert list(evaluated) == [0, 4, 8, 12]
  errors = np.array(list(evaluated.values()))
  last = saved_state(run, 12)
  np.testing.assert_array_equal(last["best_error"], errors.min(0).astype(np.float32))
  saved = {0: named_arrays(initial_state(run))}
  saved |= {step: saved_state(run, step) for step in (8, 12)}
  best = np.array([0, 4, 8, 12])[errors.argmin(0)]
  compared = 0
  for seed, step in enumerate(best):
    if step not in saved:  # only the two latest are kept
      continue
    compared += 1
    for name, leaf in last.items():
      if name.startswith("best_params/"):
        wanted = saved[step][name.replace("best_params", "params")][seed]
        np.testing.assert_array_equal(leaf[seed], wanted, err_msg=name)
  assert compared


def test_the_step_takes_the_gradient_of_the_mean_loss(tmp_path):
  """The sum is differentiated, and divided by its count afterwards."""
  changes = {"seeds": 1, "optimizer.name": "sgd", "optimizer.clip_bound": 0.0}
  run = start(make_config(changes), str(tmp_path))
  program, state = run.program, one_seed(run)
  batch = next_batch(program, state, None)
  key = at_step(state.key, NOISE, state.step)

  def mean_loss(params):
    parts, _ = forward(program, program.model, params, {}, batch, key)
    return parts.loss / parts.count

  loss, gradient = jax.jit(jax.value_and_grad(mean_loss))(state.params)
  moved, ledger = jax.jit(lambda s: plain_step(program, s, None))(state)
  rate = run.config.optimizer.learning_rate
  wanted = jax.tree.map(lambda p, g: p - rate * g, state.params, gradient)
  assert_close(named_arrays(moved.params), named_arrays(wanted), 1e-6)
  np.testing.assert_allclose(ledger.loss, loss, rtol=1e-6)
  norm = optax.tree.norm(gradient)
  np.testing.assert_allclose(ledger.norm_before, norm, rtol=1e-5)


def test_the_last_step_of_a_dispatch_is_the_logged_one(tmp_path):
  run = start(make_config({"seeds": 1}), str(tmp_path))
  program, state = run.program, one_seed(run)

  @jax.jit
  def one_by_one(state):
    for _ in range(2):
      state, _ = plain_step(program, state, None)
    return logged_step(program, state, None)

  _, ledger, detail = jax.jit(lambda s: advance_seed(program, 3, 1, s, None))(state)
  _, last, wanted = one_by_one(state)
  detail = jax.tree.map(lambda leaf: leaf[0], detail)
  assert_close(detail.params, wanted.params, 1e-5)
  assert_close(detail.gradients, wanted.gradients, 1e-5)
  np.testing.assert_allclose(ledger.loss[0, -1], last.loss, rtol=1e-5)
