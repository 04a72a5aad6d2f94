"""Every file in configs/: valid as it stands, and run to its end at `:tiny`."""

import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from rnn_research.config_flags import load
from rnn_research.data import DATASETS
from rnn_research.data.preparation import prepare
from rnn_research.errors import ConfigError
from rnn_research.tasks import TASKS
from rnn_research.training.start import start
from rnn_research.validation import validate

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
  path
  for path in (ROOT / "configs").glob("*.py")
  if "def get_config" in path.read_text()
)
HELD_OUT = {"digits": 360}  # the test split; of a task it is `test_examples`

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
  """A folder with all data sets."""
  folder = tmp_path_factory.mktemp("data")
  for name in DATASETS:
    prepare(name, folder, io.StringIO().write)
  return folder


@each_file
def test_tiny_runs_to_its_end(path, prepared, quickly, tmp_path, monkeypatch):
  monkeypatch.setenv("RNN_RESEARCH_DATA", str(prepared))
  config = load(f"{path}:tiny")
  status = start(config, str(tmp_path)).train()

  assert status["state"] == "finished"
  assert [seed["diverged_at"] for seed in status["seeds"]] == [None, None]
  final = status["final"]
  assert final["examples"] == HELD_OUT.get(config.data.name, config.train.test_examples)
  lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  assert [row["step"] for row in rows] == [0, 5, 10, 15, 20]
  for row in rows:
    missing = [name for name, value in row.items() if value == [None] * 2]
    # Without gates no gradient takes the direct path, and a horizon can lie behind.
    assert not [n for n in missing if "/path/" not in n and not n.endswith("/horizon")]
  assert rows[-1]["eval/loss"] == final["loss"]
  # Twenty steps change little, and break nothing.
  change = np.divide(final["loss"], rows[0]["eval/loss"])
  assert np.all((0.3 < change) & (change < 1.2) & (change != 1)), change
  lags = {path.name for path in (tmp_path / "arrays" / "lag").iterdir()}
  assert lags == {"00000000.npz", "00000010.npz", "00000020.npz"}


@each_file
def test_the_whole_setting_is_valid(path):
  config = load(str(path))
  validate(config)
  if config.task.name:
    TASKS[config.task.name](length=config.task.length)
  assert load(f"{path}:") == config
  tiny = load(f"{path}:tiny")
  assert tiny.model.cell == config.model.cell
  assert tiny.train.steps < config.train.steps


@each_file
def test_the_docstring_names_the_command(path):
  text = path.read_text()
  assert f"python -m experiments.train --config=configs/{path.name} " in text
  data = load(str(path)).data.name
  assert (f"rnn_research.data.prepare --dataset={data or 'nothing'}\n" in text) == bool(
    data
  )


def test_every_task_and_data_set_has_a_file():
  configs = [load(str(path)) for path in FILES]
  named = {config.task.name or config.data.name for config in configs}
  assert named == {*TASKS, *DATASETS}


def test_an_unknown_variant_is_refused():
  with pytest.raises(ConfigError, match="no variant 'tyni'; known: '', 'tiny'"):
    load(f"{FILES[0]}:tyni")


def test_the_setting_of_the_study():
  config = load(str(ROOT / "configs" / "temporal_order.py"))
  assert (config.model.hidden, config.train.batch, config.train.steps) == (50, 32, 1500)
  optimizer = config.optimizer
  assert (optimizer.name, optimizer.learning_rate, optimizer.clip_bound) == (
    "adam",
    1e-3,
    1.0,
  )


def test_the_command_line_runs_to_its_end(tmp_path):
  command = [
    "-m",
    "experiments.train",
    "--config=configs/temporal_order.py:tiny",
    f"--workdir={tmp_path}",
    "--config.model.cell=gru",
    "--config.seeds=3",
  ]
  quick = {
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
  }
  result = subprocess.run(
    [sys.executable, *command],
    cwd=ROOT,
    env=os.environ | quick,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert result.returncode == 0, result.stderr
  assert "Traceback" not in result.stderr
  lines = result.stderr.splitlines()
  assert [line.split(":")[0] for line in lines[-4:-1]] == ["seed 0", "seed 1", "seed 2"]
  recorded = json.loads((tmp_path / "environment.json").read_text())["command"]
  assert recorded == ["python", *command]
  assert lines[-1] == f"records: {tmp_path}"
  status = json.loads((tmp_path / "status.json").read_text())
  assert (status["state"], status["step"]) == ("finished", 20)
  assert len(status["final"]["error"]) == 3
  config = json.loads((tmp_path / "config.json").read_text())
  assert (config["seeds"], config["model"]["cell"]) == (3, "gru")
