"""Runs small enough to be trained in a test, and what they leave behind."""

import json
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.config import Config
from rnn_research.config_flags import fields
from rnn_research.training.checkpoint import Checkpoints
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.start import start
from rnn_research.training.state import make_state

SMALL = {
  "seeds": 4,
  "model.cell": "rnn",
  "model.hidden": 4,
  "task.name": "temporal_order",
  "task.length": 10,
  "train.steps": 12,
  "train.batch": 4,
  "train.log_every": 2,
  "train.eval_every": 4,
  "train.eval_examples": 500,
  "train.test_examples": 500,
  "train.checkpoint_every": 6,
  "train.devices": 1,
  "diagnostics.lag_every": 4,
  "diagnostics.lag_examples": 3,
  "diagnostics.lag_probes": 2,
}


def make_config(changes=None):
  """A small task, four seeds on one device, and changes by dotted path."""
  config = Config()
  known = {path for path, *_ in fields(config)}
  for path, value in (SMALL | (changes or {})).items():
    assert path in known, path
    *parents, name = path.split(".")
    holder = config
    for parent in parents:
      holder = getattr(holder, parent)
    setattr(holder, name, value)
  return config


def hyper_of(learning_rate, clip_bound):
  """The numbers of an optimizer, all others off."""
  config = make_config()
  return make_hyper(config)._replace(
    learning_rate=jnp.asarray(learning_rate, float),
    clip_bound=jnp.asarray(clip_bound, float),
  )


def initial_state(run):
  """The state that a run begins with, placed."""
  config = run.config
  keys = seed_keys(config.seed, config.seeds)
  example = run.source.shapes(config.train.batch)
  return make_state(run.program, keys, make_hyper(config), example)


def saved_state(run, step):
  """A checkpoint as numpy arrays by path."""
  checkpoints = Checkpoints(run.directory.checkpoints)
  state = checkpoints.restore(step, initial_state(run), None)
  checkpoints.close()
  return named_arrays(state)


def named_arrays(tree):
  """Leaves by slash path; keys as the numbers they are made of."""
  leaves = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
      leaf = jax.random.key_data(leaf)
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    leaves[name] = np.asarray(leaf)
  return leaves


class Records(NamedTuple):
  """What a run wrote, the clock aside."""

  rows: list[dict[str, Any]]
  arrays: dict[str, dict[str, np.ndarray]]
  status: dict[str, Any]


def read_records(path):
  """Reads a run directory."""
  path = pathlib.Path(path)
  text = (path / "metrics.jsonl").read_text()
  rows = [json.loads(line) for line in text.splitlines()]
  arrays = {}
  for file in sorted(path.glob("arrays/*/*.npz")):
    with np.load(file) as content:
      arrays[f"{file.parent.name}/{file.stem}"] = dict(content)
  status = json.loads((path / "status.json").read_text())
  return Records(
    [{n: v for n, v in row.items() if not n.startswith("time/")} for row in rows],
    arrays,
    {name: value for name, value in status.items() if name != "seconds"},
  )


def assert_same_records(found, wanted):
  """Bit for bit."""
  assert [row["step"] for row in found.rows] == [row["step"] for row in wanted.rows]
  assert found.rows == wanted.rows
  assert found.status == wanted.status
  assert found.arrays.keys() == wanted.arrays.keys()
  for name, content in wanted.arrays.items():
    assert_same_arrays(found.arrays[name], content, name)


def assert_same_arrays(found, wanted, name=""):
  """Bit for bit, NaN in the same places."""
  assert found.keys() == wanted.keys()
  for key, value in wanted.items():
    np.testing.assert_array_equal(found[key], value, err_msg=f"{name} {key}")


def train(folder, changes=None, **options):
  """Trains a small run; returns it and its records."""
  run = start(make_config(changes), str(folder))
  run.train(**options)
  return run, read_records(folder)
