"""What `experiments.train` says to bad input: one line, and exit code 2."""

import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import pytest

from rnn_research.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]

CONFIG = """
from rnn_research.config import Config

def get_config(variant=""):
  config = Config()
  if variant == "digits":
    config.data.name = "digits"
  else:
    config.task.name = "adding"
  config.model.hidden = 4
  config.train.steps = 0
  return config
"""

# What follows the program, and how the line goes on after "error: ". `{0}` is
# the test's own folder.
CASES = {
  "no config": (["--workdir={0}/run"], "--config: "),
  "missing config file": (
    ["--config={0}/nonesuch.py", "--workdir={0}/run"],
    "--config: there is no file",
  ),
  "unknown field": (
    ["--config={0}/config.py", "--config.model.hiden=3", "--workdir={0}/run"],
    "--config.model.hiden: unknown flag; did you mean --config.model.hidden?",
  ),
  "wrong type": (
    ["--config={0}/config.py", "--config.seeds=two", "--workdir={0}/run"],
    "--config.seeds: 'two'",
  ),
  "unknown cell": (
    ["--config={0}/config.py", "--config.model.cell=gur", "--workdir={0}/run"],
    "model.cell: 'gur' is unknown; did you mean 'gru'?",
  ),
  "unknown task": (
    ["--config={0}/config.py", "--config.task.name=ading", "--workdir={0}/run"],
    "task.name: 'ading' is unknown; did you mean 'adding'?",
  ),
  "task length 0": (
    ["--config={0}/config.py", "--config.task.length=0", "--workdir={0}/run"],
    "task.length: 0 ",
  ),
  "task length negative": (
    ["--config={0}/config.py", "--config.task.length=-7", "--workdir={0}/run"],
    "task.length: -7 ",
  ),
  "no seeds": (
    ["--config={0}/config.py", "--config.seeds=0", "--workdir={0}/run"],
    "seeds: 0 ",
  ),
  "no hidden units": (
    ["--config={0}/config.py", "--config.model.hidden=0", "--workdir={0}/run"],
    "model.hidden: 0 ",
  ),
  # Below a file, since a superuser may write into any folder.
  "workdir not writable": (
    ["--config={0}/config.py", "--workdir={0}/config.py/run"],
    "--workdir: ",
  ),
  "workdir of another run": (
    ["--config={0}/config.py", "--workdir={0}/other"],
    "--workdir: ",
  ),
  "unknown dataset": (
    [
      "--config={0}/config.py:digits",
      "--config.data.name=digts",
      "--workdir={0}/run",
    ],
    "data.name: 'digts' is unknown; did you mean 'digits'?",
  ),
  "unprepared dataset": (
    ["--config={0}/config.py:digits", "--workdir={0}/run"],
    "data.name: ",
  ),
  "empty workdir": (["--config={0}/config.py", "--workdir="], "--workdir: "),
  "file that exits": (["--config={0}/exits.py", "--workdir={0}/run"], "--config: "),
  "file without a section": (
    ["--config={0}/section.py", "--workdir={0}/run"],
    "task: 'adding' ",
  ),
  "field of no section": (
    ["--config={0}/section.py", "--config.task.length=9", "--workdir={0}/run"],
    "config.task.length: the file sets task to 'adding'",
  ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A config file, and a run directory that belongs to another config."""
  folder = tmp_path_factory.mktemp("bad_input")
  (folder / "config.py").write_text(CONFIG)
  (folder / "exits.py").write_text("raise SystemExit(0)")
  section = CONFIG.replace("config.model.hidden = 4", "config.task = 'adding'")
  (folder / "section.py").write_text(section)
  other = Config(seeds=3)
  other.task.name = "parity"
  (folder / "other").mkdir()
  (folder / "other" / "config.json").write_text(json.dumps(dataclasses.asdict(other)))
  return folder


@pytest.fixture(scope="module")
def results(folder):
  """All cases, run once, as many at a time as the machine has cores for."""

  def run(case):
    arguments = [argument.format(folder) for argument in CASES[case][0]]
    return subprocess.run(
      [sys.executable, "-m", "experiments.train", *arguments],
      cwd=ROOT,
      env=os.environ | {"JAX_PLATFORMS": "cpu", "RNN_RESEARCH_DATA": f"{folder}/data"},
      capture_output=True,
      text=True,
      timeout=120,
    )

  with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count())) as pool:
    return dict(zip(CASES, pool.map(run, CASES), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_one_line_and_exit_code_2(results, folder, case):
  result = results[case]
  assert result.returncode == 2, result.stderr
  assert result.stderr.count("\n") == 1, result.stderr
  assert result.stderr.startswith(f"error: {CASES[case][1]}")
  assert "; " in result.stderr


def test_refused_runs_leave_nothing_behind(results, folder):
  assert sorted(path.name for path in folder.iterdir()) == [
    "config.py",
    "exits.py",
    "other",
    "section.py",
  ]
  assert [path.name for path in (folder / "other").iterdir()] == ["config.json"]


def test_the_remedies_say_what_to_do(results):
  prepare = results["unprepared dataset"].stderr
  assert "python -m rnn_research.data.prepare --dataset=digits" in prepare
