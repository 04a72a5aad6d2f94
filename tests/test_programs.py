"""What is compiled: once, for any platform, with one reduction a gradient."""

import collections
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.training.advance import compile_advance
from rnn_research.training.evaluation import compile_keep_best
from rnn_research.training.placement import place_seeds
from rnn_research.training.start import start
from tests.small_run import initial_state, make_config, train

COLLECTIVES = (
  "all-reduce",
  "all-gather",
  "all-to-all",
  "collective-permute",
  "reduce-scatter",
)


@pytest.fixture
def compiled():
  """How often each function was compiled, by name; counts while the test runs."""
  counts = collections.Counter()

  def listen(event, seconds, fun_name="", **_):
    if event == "/jax/core/compile/backend_compile_duration":
      counts[fun_name] += 1

  jax.monitoring.register_event_duration_secs_listener(listen)
  yield counts
  jax.monitoring.unregister_event_duration_listener(listen)


def prepare(folder, changes):
  """A run that doesn't train, and the state that it would begin with."""
  run = start(make_config(changes), str(folder))
  return run, initial_state(run)


def test_runs_that_differ_in_numbers_share_their_code(quickly, compiled, tmp_path):
  few = {"seeds": 3, "train.steps": 4, "diagnostics.lag_every": 0}
  others = {
    "as it is": {},
    "rate": {"optimizer.learning_rate": 0.1},
    "clip": {"optimizer.clip_bound": 0.0},
    "init": {"model.init.recurrent": "gaussian", "model.init.gain": 1.5},
    "seed": {"seed": 7},
  }
  rows, programs = [], set()
  for name, other in others.items():
    run, records = train(tmp_path / name, few | other)
    rows.append(records.rows[-1])
    programs.add(run.program)
  (program,) = programs
  # Two dispatches of each of five runs.
  assert compiled["jit(advance)"] == 1
  assert compiled["jit(evaluate)"] == 1
  assert compiled["jit(keep_best)"] == 1
  losses = {row["train/loss"][0] for row in rows}
  assert len(losses) >= len(others) - 1  # a clip that doesn't act changes nothing

  run, _ = train(tmp_path / "rule", few | {"optimizer.name": "sgd"})
  assert run.program != program


@pytest.mark.parametrize(("seeds", "devices"), [(4, 1), (4, 2), (1, 2)])
def test_the_state_is_donated_and_nothing_compiled_twice(
  seeds, devices, quickly, compiled, tmp_path
):
  # A size of its own, or another test might have compiled the program before.
  changes = {"seeds": seeds, "train.devices": devices, "model.hidden": 7}
  run, state = prepare(tmp_path, changes)
  advance = compile_advance(run.program, 2, 1)
  before = [leaf.sharding for leaf in jax.tree.leaves(state)]
  shapes = jax.tree.map(jnp.shape, state)
  new, ledger, _ = advance(state, None)
  # The key alone is handed on as it is.
  for leaf in jax.tree.leaves((state.params, state.rule_state, state.best_params)):
    assert leaf.is_deleted()
  assert [leaf.sharding for leaf in jax.tree.leaves(new)] == before
  assert jax.tree.map(jnp.shape, new) == shapes
  np.testing.assert_array_equal(new.step, [2] * seeds)
  assert ledger.loss.shape == (seeds, 1, 2)
  errors = place_seeds(run.layout, jnp.linspace(0.5, 0.1, seeds))
  kept = compile_keep_best(run.layout)(new, errors)
  again, *_ = advance(kept, None)
  advance(again, None)
  assert compiled["jit(advance)"] == 1


@pytest.mark.parametrize(
  "changes",
  [
    {"optimizer.name": "adam", "optimizer.clip": "norm", "model.cell": "lstm"},
    {"optimizer.name": "sgd", "optimizer.clip": "value", "model.cell": "gru"},
    {"optimizer.name": "rmsprop", "optimizer.clip": "leaf", "model.cell": "lstm"},
    {"optimizer.name": "sgd", "optimizer.clip": "adaptive", "model.cell": "rnn"},
  ],
)
def test_a_draw_and_the_end_of_a_plain_step_are_one_function_each(changes, tmp_path):
  """In a logged step only the draw is, if a layer is read."""
  run, state = prepare(tmp_path, changes | {"model.hidden": 50})
  text = compile_advance(run.program, 3, 1).lower(state, None).as_text()
  assert text.count("xla_cpu_small_call") == 3


def test_the_end_of_a_logged_step_that_reads_no_layer_is_one_function(tmp_path):
  nothing = ("adjoint", "saturation", "weights")
  changes = {f"diagnostics.{name}": False for name in nothing} | {"model.hidden": 50}
  run, state = prepare(tmp_path, changes)
  text = compile_advance(run.program, 3, 1).lower(state, None).as_text()
  assert text.count("xla_cpu_small_call") == 4


def collectives(text):
  """Kind and line of each operation between devices: in a loop, outside of any."""
  inside, outside = [], []
  entry = False
  for line in text.splitlines():
    if line.endswith("{") and not line.startswith(" "):
      entry = line.startswith("ENTRY")
    for kind in COLLECTIVES:
      if f" {kind}(" in line or f" {kind}-start(" in line:
        (outside if entry else inside).append((kind, line.split(f" {kind}")[0]))
  return inside, outside


def test_one_reduction_over_the_devices_per_gradient(tmp_path):
  """A plain step and a logged one have one each: of all there is to reduce.

  Gradient, loss, errors and the counts that they are divided by go together, in the
  logged step with the shares of saturated units. What is read of single examples is
  not reduced at all: behind the loop it is gathered. How much there is, a few numbers
  that are the same in every step, is reduced once for all of them.
  """
  run, state = prepare(tmp_path, {"seeds": 1, "train.devices": 2})
  assert run.layout.mesh.devices.shape == (1, 2)
  advance = compile_advance(run.program, 3, 2)
  text = advance.lower(state, None).compile().as_text()
  inside, outside = collectives(text)
  recurrent = "f32[4,4]"
  assert [kind for kind, _ in inside] == ["all-reduce", "all-reduce"]
  assert all(recurrent in line for _, line in inside)
  counts = [line for kind, line in outside if kind == "all-reduce"]
  assert len(counts) <= 1 and not any(re.search(r"\[\d", line) for line in counts)
  assert {kind for kind, _ in outside} <= {"all-gather", "all-reduce"}


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_training_lowers_for_accelerators(platform, tmp_path):
  changes = {"model.cell": "lstm", "train.seed_loop": "vmap"}
  run, state = prepare(tmp_path, changes)
  advance = compile_advance(run.program, 3, 1)
  leaves, tree = jax.tree.flatten(state._replace(key=jax.random.key_data(state.key)))

  @jax.jit
  def plain(*leaves):
    state = jax.tree.unflatten(tree, leaves)
    state = state._replace(key=jax.random.wrap_key_data(state.key))
    # Unwrapped: no other jit may hold a program with options of its own.
    state, ledger, detail = advance.__wrapped__(state, None)
    state = state._replace(key=jax.random.key_data(state.key))
    return [*jax.tree.leaves(state), *ledger, *jax.tree.leaves(detail)]

  exported = jax.export.export(plain, platforms=[platform])(*leaves)
  assert exported.platforms == (platform,)
  found = [(a.shape, a.dtype) for a in exported.out_avals[: len(leaves)]]
  assert found == [(leaf.shape, leaf.dtype) for leaf in leaves]
  # Rows, steps; forward and back in a plain step, and again in the logged one.
  assert exported.mlir_module().count("stablehlo.while") == 6
