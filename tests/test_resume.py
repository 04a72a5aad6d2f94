"""A run that was stopped, killed or preempted ends as if nothing had happened."""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

from rnn_research.config_flags import load
from rnn_research.data.preparation import prepare
from rnn_research.training.event_files import EventFiles
from rnn_research.training.progress import Progress
from rnn_research.training.start import start
from tests.small_run import (
  assert_same_arrays,
  assert_same_records,
  make_config,
  read_records,
  saved_state,
  train,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
DIGITS = {
  "seeds": 2,
  "task.name": "",
  "data.name": "digits",
  "diagnostics.lag_every": 0,
}
LAST = 12

each_source = pytest.mark.parametrize("name", ["task", "digits"])


pytestmark = pytest.mark.usefixtures("quick_module")


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
  """The two small runs: sampled batches, and batches that are read."""
  folder = tmp_path_factory.mktemp("data")
  prepare("digits", folder, io.StringIO().write)
  return {"task": {}, "digits": DIGITS | {"data.source": str(folder)}}


@pytest.fixture(scope="module")
def whole(changes, tmp_path_factory):
  """Both runs without a break: records, and the arrays of the last state."""
  runs = {}
  for name, given in changes.items():
    run, records = train(tmp_path_factory.mktemp("whole"), given)
    runs[name] = records, saved_state(run, LAST)
  return runs


class Killed(Exception):
  """Stands for what no program survives."""


def kill_at(monkeypatch, last_word):
  """Makes a run die when it has something to say of a step."""

  def update(self, step, loss, error):
    if step >= last_word:
      raise Killed

  monkeypatch.setattr(Progress, "update", update)


@each_source
def test_stopped_at_a_dispatch(name, changes, whole, tmp_path):
  asked = iter([False, True])
  _, records = train(tmp_path, changes[name], stop=lambda: next(asked))
  assert (records.status["state"], records.status["step"]) == ("interrupted", 4)
  assert records.rows == whole[name][0].rows[:3]
  run, records = train(tmp_path, changes[name])
  assert_same_records(records, whole[name][0])
  assert_same_arrays(saved_state(run, LAST), whole[name][1])


@each_source
@pytest.mark.parametrize(("dies", "goes_on"), [(4, 0), (10, 6)])
def test_killed_between_checkpoints(
  name, dies, goes_on, changes, whole, tmp_path, monkeypatch
):
  kill_at(monkeypatch, dies)
  with pytest.raises(Killed):
    train(tmp_path, changes[name])
  monkeypatch.undo()
  # Rows reach further than the checkpoint; the last one may be half written.
  found = read_records(tmp_path)
  assert found.status["state"] == "running"
  assert found.rows[-1]["step"] == dies - 2 > goes_on
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 99, "train/loss": [0.')
  run, records = train(tmp_path, changes[name])
  assert_same_records(records, whole[name][0])
  assert_same_arrays(saved_state(run, LAST), whole[name][1])


def die(self):
  """Stands for the end of a process in a method."""
  raise Killed


@each_source
def test_killed_behind_the_last_checkpoint(name, changes, whole, tmp_path, monkeypatch):
  """All is recorded but that it is finished, and with which scores."""
  monkeypatch.setattr(EventFiles, "close", die)
  with pytest.raises(Killed):
    train(tmp_path, changes[name])
  monkeypatch.undo()
  assert read_records(tmp_path).status["state"] == "running"
  _, records = train(tmp_path, changes[name])
  assert_same_records(records, whole[name][0])


def test_a_finished_run_is_left_alone(changes, tmp_path):
  short = changes["task"] | {"train.steps": 2, "diagnostics.lag_every": 0}
  _, first = train(tmp_path, short)
  before = (tmp_path / "environment.json").read_text()
  run, again = train(tmp_path, short)
  assert_same_records(again, first)
  assert run.train() == json.loads((tmp_path / "status.json").read_text())
  assert (tmp_path / "environment.json").read_text() == before


def test_environment_tells_of_every_process(changes, tmp_path):
  short = changes["task"] | {"train.steps": 4, "diagnostics.lag_every": 0}
  train(tmp_path, short, stop=lambda: True)
  train(tmp_path, short)
  environment = json.loads((tmp_path / "environment.json").read_text())
  assert environment["devices"] == 1
  assert environment["versions"]["jax"] == jax.__version__
  assert len(environment["resumed"]) == 1
  assert environment["resumed"][0]["started"] >= environment["started"]


FLAGS = {
  "seeds": 2,
  "model.cell": "rnn",
  "model.hidden": 4,
  "task.length": 10,
  "train.steps": 400,
  "train.devices": 1,
  "train.eval_every": 200,
  "train.checkpoint_every": 200,
  "diagnostics.lag_every": 0,
}


def command(folder, flags):
  """The real command line, on one device."""
  return [
    sys.executable,
    "-m",
    "experiments.train",
    f"--config={ROOT}/configs/temporal_order.py:tiny",
    f"--workdir={folder}",
    *(f"--config.{path}={value}" for path, value in flags.items()),
  ]


ENVIRONMENT = {
  "JAX_PLATFORMS": "cpu",
  "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
  "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}


def run_main(folder, flags):
  """Runs the command to its end."""
  return subprocess.run(
    command(folder, flags),
    cwd=ROOT,
    env=os.environ | ENVIRONMENT,
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_preempted_by_sigterm(tmp_path):
  folder, other = tmp_path / "preempted", tmp_path / "whole"
  rows = folder / "metrics.jsonl"
  process = subprocess.Popen(
    command(folder, FLAGS),
    cwd=ROOT,
    env=os.environ | ENVIRONMENT,
    stderr=subprocess.PIPE,
    text=True,
  )
  deadline = time.monotonic() + 300
  while not rows.exists() or rows.read_bytes().count(b"\n") < 3:
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.01)
  process.send_signal(signal.SIGTERM)
  error = process.communicate(timeout=300)[1]
  assert process.returncode == 75, error
  status = read_records(folder).status
  assert status["state"] == "interrupted"
  assert f"stopped at step {status['step']};" in error
  assert 0 < status["step"] < FLAGS["train.steps"]

  result = run_main(folder, FLAGS)
  assert result.returncode == 0, result.stderr
  config = load(str(ROOT / "configs" / "temporal_order.py:tiny"))
  for path, value in FLAGS.items():
    *parents, name = path.split(".")
    holder = getattr(config, parents[0]) if parents else config
    setattr(holder, name, value)
  start(config, str(other)).train()
  assert_same_records(read_records(folder), read_records(other))


def test_a_run_that_diverged_exits_with_0(tmp_path):
  blown = {"optimizer.learning_rate": 1e38, "optimizer.clip_bound": 0}
  result = run_main(tmp_path, FLAGS | blown | {"train.steps": 10})
  assert result.returncode == 0, result.stderr
  assert "Traceback" not in result.stderr
  assert "seed 1: diverged at step" in result.stderr


def test_make_config_knows_its_fields():
  with pytest.raises(AssertionError):
    make_config({"model.hiden": 3})
