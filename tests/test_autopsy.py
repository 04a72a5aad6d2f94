"""Faults of every kind, planted in one step, and the cause that is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.training.autopsy import Autopsy, compile_autopsy, explain
from rnn_research.training.placement import place_seeds
from rnn_research.training.start import start
from tests.small_run import initial_state, make_config

CHANGES = {"model.layers": 2, "model.cell_options.activation": "relu", "seeds": 6}
LOWER, UPPER = ("layer_0", "cell"), ("layer_1", "cell")
FORWARD, LOSS, ADJOINT, GRADIENT, MOVE, FINE = range(6)


pytestmark = pytest.mark.usefixtures("quick_module")


def put(tree, path, seed, value):
  """The tree with one seed's entry of the leaf at a path set to a value."""
  name, *rest = path
  inner = put(tree[name], rest, seed, value) if rest else tree[name].at[seed].set(value)
  return tree | {name: inner}


def constant(params, layer, seed, bias):
  """A layer that sees its bias alone."""
  for name, value in (("kernel", 0.0), ("bias", bias)):
    params = put(params, (*layer, "input", name), seed, value)
  return put(params, (*layer, "hidden", "kernel"), seed, 0.0)


def plant(state):
  """A different fault in each seed but the last."""
  params, readout = state.params, jnp.array([1.0, 0, 0, 0])
  # States of 1, 10^10, 10^20, 10^30, and the fifth is beyond the range.
  params = constant(params, LOWER, FORWARD, 1.0)
  params = put(params, (*LOWER, "hidden", "kernel"), FORWARD, 1e10 * jnp.eye(4))
  # An output of 20 times 3 10^38.
  params = constant(params, UPPER, LOSS, 5.0)
  params = put(params, ("head", "kernel"), LOSS, 3e38 * readout)
  # Adjoints of 10^25, 10^29, 10^33, 10^37 from the end on; the states stay small.
  params = constant(params, UPPER, ADJOINT, 1e-30)
  params = put(params, (*UPPER, "hidden", "kernel"), ADJOINT, 1e4 * jnp.eye(4))
  params = put(params, ("head", "kernel"), ADJOINT, 1e25 * readout)
  # Examples whose gradients are 3 10^38 each.
  params = constant(params, UPPER, GRADIENT, 3e38)
  params = put(params, ("head", "kernel"), GRADIENT, 1e-38 * readout)
  moments = put(state.rule_state.mu, (*LOWER, "hidden", "kernel"), MOVE, jnp.inf)
  return state._replace(params=params, rule_state=state.rule_state._replace(mu=moments))


@pytest.fixture(scope="module")
def causes(tmp_path_factory):
  """What is said of each seed, all of them in one program."""
  run = start(make_config(CHANGES), str(tmp_path_factory.mktemp("planted")))
  state = place_seeds(run.program.layout, plant(initial_state(run)))
  found = jax.device_get(compile_autopsy(run.program)(state, None))
  return [
    explain(jax.tree.map(lambda leaf, n=n: leaf[n], found)) for n in range(FINE + 1)
  ]


@pytest.mark.parametrize(
  "seed, wanted",
  [
    (FORWARD, ("forward", "layer_0", 4)),
    (LOSS, ("loss", None, None)),
    (ADJOINT, ("adjoint", "layer_1", 5)),
    (GRADIENT, ("gradient", "head/kernel", None)),
    (MOVE, ("optimizer", "layer_0/cell/hidden/kernel", None)),
  ],
)
def test_the_cause_of_a_planted_fault_is_named(causes, seed, wanted):
  found = causes[seed]
  assert (found["cause"], found["layer"], found["time"]) == wanted
  layers = found["layers"]
  assert (layers["layer_0"]["forward"] >= 0) == (seed == FORWARD)
  assert (layers["layer_1"]["adjoint"] >= 0) == (seed in (FORWARD, LOSS, ADJOINT))


def test_a_sound_step_has_no_fault(causes):
  assert causes[FINE]["layer"] is None
  assert {n for passes in causes[FINE]["layers"].values() for n in passes.values()} == {
    -1
  }


def test_the_layer_named_is_the_one_that_no_other_feeds():
  """The lowest of states and the topmost of adjoints; an encoder comes first."""
  names = ["decoder/layer_0", "encoder/layer_10", "encoder/layer_2"]
  bad = dict(zip(names, np.array([1, 7, 5]), strict=True))
  fine, no = {"w": np.True_}, {"w": np.False_}
  forward = explain(Autopsy(bad, bad, np.False_, no, no))
  assert (forward["layer"], forward["time"]) == ("encoder/layer_2", 5)
  backward = explain(Autopsy(bad, bad, np.True_, no, no))
  assert (backward["layer"], backward["time"]) == ("decoder/layer_0", 1)
  # Where the run's own gradient was finite, the whole adjoint is not to blame.
  assert explain(Autopsy(bad, bad, np.True_, fine, no))["cause"] == "optimizer"
