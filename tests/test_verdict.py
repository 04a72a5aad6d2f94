"""A run measured once more, and the words that its page finds for it."""

import dataclasses
import json
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.planted_faults import FAULTS, planted
from rnn_research.config import Config, InitConfig
from rnn_research.errors import WorkdirError
from rnn_research.report import verdict as page
from rnn_research.report.verdict.records import read_diagnosis
from rnn_research.training import step as train_step
from rnn_research.training.inspection import inspection_batch
from rnn_research.training.losses import tally
from rnn_research.training.program import make_program
from rnn_research.training.random_keys import INSPECTION
from rnn_research.training.run_directory import jsonable
from rnn_research.training.start import start
from rnn_research.verdict import diagnose, open_run, read_config
from rnn_research.verdict.by_lag import recurrent_kernel
from rnn_research.verdict.measure import (
  COHERENT,
  make_instruments,
  measure_by_lag,
  measure_time_scales,
)
from rnn_research.verdict.parameters import both_ends
from rnn_research.verdict.signal import BATCHES, FIRST_KEY, GROUPS, shares
from rnn_research.verdict.tries import tries
from tests.laws.subjects import CELLS
from tests.small_run import initial_state, make_config, read_records, saved_state, train
from tests.test_verdict_sentences import TOPICS

SMALL = {"seeds": 2, "model.hidden": 3, "train.checkpoint_every": 0}


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory):
  """A small run, its folder and what was measured."""
  folder = tmp_path_factory.mktemp("diagnosed") / "run"
  train(folder, SMALL)
  run = open_run(folder)
  return run, folder, diagnose(run)


def test_gains_are_those_that_the_run_logged_itself(diagnosed):
  _, folder, content = diagnosed
  rows = read_records(folder).rows
  for row, name in ((rows[0], "initial"), (rows[-1], "final")):
    logged = row["lag/layer_0/loss/event_0"]
    np.testing.assert_allclose(content[name]["gain"], logged, rtol=1e-4)
    assert content["steps"][name] == row["step"]
  # 6 x 3 + 3 of the input, 3 x 3 of the state, 3 x 4 + 4 of the head.
  assert content["parameters"] == 46


def test_both_ends_are_the_draw_and_the_checkpoint(diagnosed):
  run, folder, _ = diagnosed
  ends = both_ends(run)
  saved = saved_state(run, run.config.train.steps)
  first = initial_state(run).params
  kernel = ends.final["layer_0"]["cell"]["hidden"]["kernel"]
  np.testing.assert_array_equal(kernel, saved["params/layer_0/cell/hidden/kernel"])
  jax.tree.map(np.testing.assert_array_equal, ends.initial, first)
  assert (kernel != ends.initial["layer_0"]["cell"]["hidden"]["kernel"]).all()


def test_another_start_has_the_gain_of_a_run_that_starts_so(diagnosed, tmp_path):
  _, _, content = diagnosed
  found = {(t["knob"], t["value"]): t["gain"] for t in content["tries"]}
  for knob, field, value in (
    ("input scale", "input_scale", 0.3),
    ("recurrent gain", "gain", 1.5),
  ):
    changes = SMALL | {f"model.init.{field}": value, "train.steps": 0}
    _, records = train(tmp_path / field, changes)
    logged = records.rows[0]["lag/layer_0/loss/event_0"]
    np.testing.assert_allclose(found[knob, value], logged, rtol=1e-4)


def test_signal_is_that_of_gradients_taken_one_by_one(diagnosed):
  run, _, content = diagnosed
  program, params = run.program, jax.tree.map(lambda x: x[1], both_ends(run).final)

  @jax.jit
  def gradient(key):
    batch = program.task.sample(key, program.batch)

    def loss(params):
      parts = tally(
        program.problem, program.model.apply({"params": params}, batch), batch
      )
      return parts.loss / parts.count

    leaves = jax.tree.leaves(jax.grad(loss)(params))
    return jnp.concatenate([leaf.ravel() for leaf in leaves])

  keys = [
    jax.random.fold_in(jax.random.key(INSPECTION), FIRST_KEY + n)
    for n in range(BATCHES)
  ]
  rows = np.array([gradient(key) for key in keys], float)
  # The mean product of two different batches, over the mean square of one.
  products = rows @ rows.T

  def share(block):
    n = len(block)
    return (block.sum() - np.trace(block)) / (n - 1) / np.trace(block)

  found = content["final"]["signal"]
  np.testing.assert_allclose(found["share"][1], share(products), rtol=1e-3, atol=1e-5)
  size = BATCHES // GROUPS
  pieces = [products[n : n + size, n : n + size] for n in range(0, BATCHES, size)]
  error = np.std([share(p) for p in pieces], ddof=1) / np.sqrt(GROUPS)
  np.testing.assert_allclose(found["error"][1], error, rtol=1e-3, atol=1e-5)
  squared = (products.sum() - np.trace(products)) / BATCHES / (BATCHES - 1)
  gradient_norm = np.sqrt(max(squared, 0))
  np.testing.assert_allclose(found["gradient"][1], gradient_norm, rtol=1e-3, atol=1e-6)


def test_batches_that_agree_are_all_signal_and_orthogonal_ones_none():
  one, none = jnp.float32(5.0 * 5), jnp.float32(5.0)
  np.testing.assert_allclose(shares(one, jnp.float32(5), 5), 1)
  np.testing.assert_allclose(shares(none, jnp.float32(5), 5), 0)
  np.testing.assert_allclose(shares(jnp.float32(0), jnp.float32(0), 5), 0)


def test_the_page_says_everything_in_order(diagnosed):
  _, folder, _ = diagnosed
  text = page.write(folder).read_text()
  assert re.findall("<dt>([^<]*)</dt><dd><p>", text) == TOPICS
  assert text.count("What this does not show") == len(TOPICS) + text.count("<svg role")
  assert text.count("<svg role") == text.count("experiments.diagnose --run=") == 8
  assert not re.search(r"<script|<link|src=|url\(http|href=.http", text)
  said = page.plain(folder)
  assert re.findall(r"^\d\. ([\w ]+)\.", said, re.MULTILINE) == TOPICS
  # T = 10: one step of a window for each event, the first at step 1.
  assert "at lag 8" in said
  assert "0 of 12 rules" in said
  assert max(map(len, said.splitlines())) <= 88


def test_coherence_is_read_where_the_task_asks_for_it(diagnosed):
  _, folder, content = diagnosed
  # An event at step 1 of 10 is 8 steps before the last.
  assert content["lag"] == 8
  with np.load(folder / "arrays" / "diagnosis" / "00000012.npz") as arrays:
    curve = arrays["coherence"]
  found = content["final"]["coherence"]
  np.testing.assert_allclose(found["coherence"], curve[:, 8])
  # Further back there is only the first state, which is zero: no gradient at all.
  assert np.isfinite(curve[:, :9]).all() and np.isnan(curve[:, 9]).all()
  assert (np.abs(found["coherence"]) < 1).all()


@pytest.mark.parametrize("kept", [2, 5])
def test_what_a_truncation_loses_is_what_training_with_it_would(diagnosed, kept):
  """A loss at the last step alone: TBPTT(K, K) sends it back K steps, no more."""
  run, folder, _ = diagnosed
  params = jax.tree.map(lambda x: x[0], both_ends(run).final)
  batch = inspection_batch(run.program, COHERENT, None)

  def gradient(changes):
    config = make_config(SMALL | changes)
    problem, task = run.source.problem, run.source.task
    model = make_program(config, problem, task, run.layout).model

    def losses(params):
      return tally(problem, model.apply({"params": params}, batch), batch).loss

    found = jax.jit(jax.grad(losses))(params)
    return np.asarray(found["layer_0"]["cell"]["hidden"]["kernel"], float)

  whole = gradient({})
  cut = gradient({"model.truncate_every": kept, "model.truncate_reach": kept})
  norms = np.linalg.norm(whole), np.linalg.norm(cut)
  with np.load(folder / "arrays" / "diagnosis" / "00000012.npz") as arrays:
    cosine, error = (arrays[name][0, kept] for name in ("cosine", "truncation_error"))
  np.testing.assert_allclose(cosine, (whole * cut).sum() / np.prod(norms), rtol=1e-4)
  np.testing.assert_allclose(error, np.linalg.norm(whole - cut) / norms[0], rtol=1e-3)


@pytest.mark.parametrize(
  "name, kernel",
  [
    ("elman", "hidden"),
    ("lstm_projection", "hidden"),
    ("gru_before", "gates"),
    ("wrapped", "gates"),
    ("convolutional", None),
    ("min_gru", None),
  ],
)
def test_every_dense_recurrence_has_a_kernel_to_ask(name, kernel):
  assert recurrent_kernel(CELLS[name]) == kernel


def test_a_gru_with_the_reset_before_is_asked_as_well(tmp_path):
  changes = {"model.cell": "gru", "model.cell_options.reset_after": False}
  run = start(make_config(SMALL | changes), str(tmp_path / "run"))
  params = initial_state(run).params
  found = measure_by_lag(make_instruments(run, params), params)
  # T = 10: with all but the first state, which is zero, it is the whole gradient.
  np.testing.assert_allclose(found["cosine"][:, 9], 1, rtol=1e-5)
  assert (found["truncation_error"][:, 3] > 1e-3).all()


def test_time_scales_are_those_of_the_gates_that_keep(tmp_path):
  """A GRU's z in a plain loop; an Elman cell keeps nothing but through its weights."""
  run = start(make_config(SMALL | {"model.cell": "gru"}), str(tmp_path / "run"))
  params = initial_state(run).params
  own = make_instruments(run, params)
  found = measure_time_scales(own, params)
  cell = jax.tree.map(lambda x: np.asarray(x[1], float), params)["layer_0"]["cell"]
  xs = np.asarray(own.batch.inputs, float)
  logs, h = [], np.zeros((xs.shape[1], 3))
  for x in xs:
    of_x = x @ cell["input"]["kernel"] + cell["input"]["bias"]
    of_h = h @ cell["hidden"]["kernel"]
    r, z = (1 / (1 + np.exp(-(of_x + of_h)[:, n : n + 3])) for n in (0, 3))
    new = np.tanh(of_x[:, 6:] + r * (of_h[:, 6:] + cell["hidden"]["bias"]))
    h = (1 - z) * new + z * h
    logs.append(np.log(z))
  np.testing.assert_allclose(found[1], -1 / np.mean(logs, axis=(0, 1)), rtol=1e-5)
  elman = start(make_config(SMALL), str(tmp_path / "elman"))
  params = initial_state(elman).params
  assert measure_time_scales(make_instruments(elman, params), params) is None


def test_a_run_is_measured_once(diagnosed):
  _, folder, content = diagnosed
  before = (folder / "diagnosis.json").stat().st_mtime_ns
  assert diagnose(open_run(folder)) == content
  assert (folder / "diagnosis.json").stat().st_mtime_ns == before


def test_a_fault_lasts_as_long_as_its_block(tmp_path):
  sound = [getattr(fault.module, fault.function) for fault in FAULTS.values()]
  with pytest.raises(RuntimeError), planted("uphill"):
    assert train_step.apply_update not in sound
    raise RuntimeError
  found = [getattr(fault.module, fault.function) for fault in FAULTS.values()]
  assert found == sound
  with planted("held_leaf"):
    run, records = train(tmp_path / "run", SMALL)
  state, first = saved_state(run, 12), initial_state(run).params
  moved = {
    name: (state[f"params/{name}"] != value).any()
    for name, value in (
      ("layer_0/cell/hidden/kernel", first["layer_0"]["cell"]["hidden"]["kernel"]),
      ("layer_0/cell/input/kernel", first["layer_0"]["cell"]["input"]["kernel"]),
    )
  }
  assert list(moved.values()) == [False, True]
  assert records.rows[-1]["updates/layer_0/cell/hidden/kernel"] == [0, 0]
  names = [alarm.name for alarm in read_diagnosis(tmp_path / "run").alarms]
  assert names == ["parameter held"]


def test_knobs_are_those_of_the_cell_and_never_where_they_stand():
  config = make_config({"model.cell": "lstm", "model.init.gain": 1.1})
  found = {(t.knob, t.value) for t in tries(config, 10)}
  assert found == {
    ("input scale", 0.3),
    ("input scale", 0.1),
    ("recurrent gain", 0.9),
    ("recurrent gain", 1.5),
    ("forget bias", 0),
    ("forget bias", 2),
    ("chrono", 10),
  }
  assert {t.knob for t in tries(make_config(), 10)} == {"input scale", "recurrent gain"}
  turned = next(t for t in tries(config, 10) if t.knob == "chrono")
  assert turned.init == InitConfig(gain=1.1, chrono=10)
  assert turned.setting == "--config.model.init.chrono=10"


def test_a_config_comes_back_from_its_records():
  config = make_config({"model.wrappers": ("residual", "zoneout:0.1")})
  config.model.init.forget_bias = 0.5
  content = json.loads(json.dumps(jsonable(dataclasses.asdict(config))))
  assert read_config(content) == config != Config()


@pytest.mark.parametrize(
  "status, problem",
  [(None, "holds no run"), ({"state": "interrupted", "step": 6}, "is interrupted")],
)
def test_no_finished_run_is_refused(tmp_path, status, problem):
  if status is not None:
    (tmp_path / "status.json").write_text(json.dumps(status))
    config = jsonable(dataclasses.asdict(make_config()))
    (tmp_path / "config.json").write_text(json.dumps(config))
  with pytest.raises(WorkdirError, match=problem):
    open_run(tmp_path)


@pytest.mark.parametrize(
  "flags, line",
  [
    (["--run={0}"], "error: --run: {0} holds no run"),
    (["--config.seeds=2", "--run={0}"], "error: --config: not given"),
  ],
)
def test_bad_input_is_one_line(tmp_path, flags, line):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.diagnose",
      *(f.format(tmp_path) for f in flags),
    ],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 2
  assert done.stderr.startswith(line.format(tmp_path))
  assert done.stderr.count("\n") == 1 and not done.stdout
