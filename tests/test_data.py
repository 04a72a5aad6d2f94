"""Prepared data: what is on disk, and what is read of it."""

import math
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from rnn_research import data
from rnn_research.config import DataConfig
from rnn_research.data import digits
from rnn_research.data.linear_baseline import fit_linear_baseline
from rnn_research.data.location import data_folder
from rnn_research.data.preparation import prepare
from rnn_research.errors import ConfigError, DataNotPrepared


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """The digits, prepared once for this file."""
  path = tmp_path_factory.mktemp("prepared")
  prepare("digits", path)
  return path


@pytest.fixture(scope="module")
def classify(folder):
  return data.load(DataConfig("digits", str(folder)))


@pytest.fixture(scope="module")
def draw(folder):
  return data.load(DataConfig("digits", str(folder), "one_to_many"))


@pytest.fixture
def no_network(monkeypatch):
  def refuse(*args, **kwargs):
    raise AssertionError("the network was asked")

  monkeypatch.setattr(socket, "socket", refuse)
  monkeypatch.setattr(socket, "getaddrinfo", refuse)


def contents(folder):
  """Name and bytes of everything prepared."""
  files = (folder / "digits").rglob("*")
  return {f.name: f.read_bytes() for f in files if f.is_file()}


def test_preparing_is_deterministic_and_says_what_it_did(tmp_path, folder):
  said = []
  prepare("digits", tmp_path / "new" / "folder", said.append)
  assert said[-1] == "digits: prepared 1437 train and 360 test examples"
  again = contents(tmp_path / "new" / "folder")
  assert again == contents(folder)
  assert sum(name.count("array_record") for name in again) == 2
  prepare("digits", folder, said.append)
  assert said[-1].startswith("digits: already prepared")
  assert "tensorflow" not in sys.modules


def test_every_image_is_scikit_learns_and_the_split_is_complete(folder):
  table = load_digits()
  builder = digits.make_builder(str(folder))
  rows = {}
  for split in ("train", "test"):
    examples = list(builder.as_data_source(split))
    rows[split] = [int(example["row"]) for example in examples]
    for row, example in zip(rows[split], examples, strict=True):
      np.testing.assert_array_equal(example["image"], table.images[row])
      assert example["label"] == table.target[row]
  assert (len(rows["train"]), len(rows["test"])) == (1437, 360)
  assert sorted(rows["train"] + rows["test"]) == list(range(1797))
  # Fixed for ever: the split that published numbers belong to.
  assert sorted(rows["test"])[:6] == [11, 23, 24, 25, 28, 32]
  assert sum(rows["test"]) == 319385


def test_reading_keeps_images_with_their_labels(classify):
  table = load_digits()
  known = dict(zip(map(tuple, table.data.astype(int)), table.target, strict=True))
  for split in (classify.train, classify.heldout()):
    assert split.inputs.min() == 0 and split.inputs.max() == 1
    pixels = (split.inputs[..., 0].T * 16).astype(int)
    read = [known[tuple(row)] for row in pixels.tolist()]
    np.testing.assert_array_equal(split.targets, read)
    np.testing.assert_array_equal(split.weights, np.ones(len(read)))
  assert classify.train_size == 1437
  assert classify.problem.form == "many_to_one"


def test_drawing_asks_for_the_pixel_after_the_one_shown(classify, draw):
  for whole, drawn in (
    (classify.train, draw.train),
    (classify.heldout(), draw.heldout()),
  ):
    np.testing.assert_array_equal(drawn.targets, whole.inputs)
    np.testing.assert_array_equal(drawn.inputs[1:], whole.inputs[:-1])
    np.testing.assert_array_equal(drawn.inputs[0], 0)
    np.testing.assert_array_equal(drawn.context.sum(1), 1)
    np.testing.assert_array_equal(drawn.context.argmax(1), whole.targets)
    assert drawn.weights.shape == drawn.targets.shape[:2]
    assert drawn.weights.min() == 1
  assert draw.problem.form == "one_to_many"


def test_chance_of_naming_is_what_class_frequencies_get(classify):
  counts = [0] * 10
  for label in classify.train.targets:
    counts[label] += 1
  common = counts.index(max(counts))
  loss = wrong = 0.0
  for label in classify.heldout().targets:
    loss -= math.log(counts[label] / 1437) / 360
    wrong += (label != common) / 360
  assert classify.problem.chance_loss == pytest.approx(loss)
  assert classify.problem.chance_loss == pytest.approx(math.log(10), rel=0.01)
  assert classify.problem.chance_error == pytest.approx(wrong)


def test_chance_of_drawing_is_what_the_mean_image_gets(draw):
  mean = draw.train.targets[..., 0].mean(axis=1)
  loss, wrong = 0.0, 0
  for example in draw.heldout().targets[..., 0].T:
    off = [(p - m) ** 2 for p, m in zip(example, mean, strict=True)]
    loss += sum(off) / 64 / 360
    wrong += any(o > draw.problem.tolerance for o in off)
  assert draw.problem.chance_loss == pytest.approx(loss, rel=1e-5)
  assert draw.problem.chance_error == wrong / 360


def test_float64_where_it_is_on(folder):
  with jax.enable_x64(True):
    drawn = data.load(DataConfig("digits", str(folder), "one_to_many"))
  for values in (drawn.train.inputs, drawn.train.weights, drawn.train.context):
    assert values.dtype == np.float64


def test_what_is_not_there_is_said_in_one_line(folder, tmp_path, no_network):
  with pytest.raises(DataNotPrepared, match="known: digits") as unknown:
    data.load(DataConfig("digit"))
  with pytest.raises(DataNotPrepared) as unprepared:
    data.load(DataConfig("digits", str(tmp_path / "a b")))
  assert unprepared.value.remedy == (
    "run python -m rnn_research.data.prepare --dataset=digits"
    f" --data_dir='{tmp_path}/a b'"
  )
  assert not (tmp_path / "a b").exists()
  with pytest.raises(ConfigError, match="many_to_one, one_to_many") as form:
    data.load(DataConfig("digits", str(folder), "many_to_many"))
  assert unknown.value.field == unprepared.value.field == "data.name"
  assert form.value.field == "data.form"
  for error in (unknown, unprepared, form):
    assert "\n" not in str(error.value)
  data.load(DataConfig("digits", str(folder)))


def test_where_data_are_kept(monkeypatch):
  monkeypatch.setenv("RNN_RESEARCH_DATA", "/somewhere")
  assert data_folder("here") == pathlib.Path("here")
  assert data_folder() == pathlib.Path("/somewhere")
  monkeypatch.delenv("RNN_RESEARCH_DATA")
  assert data_folder() == pathlib.Path.home() / ".cache" / "rnn_research"


def test_two_processes_prepare_at_once_and_an_unknown_name_is_refused(tmp_path):
  def start(name):
    module = [sys.executable, "-m", "rnn_research.data.prepare"]
    return subprocess.Popen(
      [*module, f"--dataset={name}", f"--data_dir={tmp_path}"],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  first, second, unknown = map(start, ("digits", "digits", "numbers"))
  outputs = [process.communicate(timeout=60) for process in (first, second)]
  assert (first.returncode, second.returncode) == (0, 0), outputs
  together = "".join(out for out, _ in outputs)
  assert together.count("prepared 1437 train and 360 test") == 1
  assert together.count("already prepared") == 1
  out, err = unknown.communicate(timeout=60)
  assert unknown.returncode == 2
  assert out == ""
  assert err == "error: dataset: no data set 'numbers'; known: digits\n"


def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path):
  (tmp_path / "file").touch()
  with pytest.raises(ConfigError, match="can't be written") as raised:
    prepare("digits", tmp_path / "file" / "folder")
  assert raised.value.field == "data_dir"


def test_linear_baseline_is_logistic_regression_on_whole_images(classify, folder):
  table = load_digits()
  builder = digits.make_builder(str(folder))
  train, test = (
    [int(example["row"]) for example in builder.as_data_source(split)]
    for split in ("train", "test")
  )
  model = LogisticRegression(max_iter=1000)
  model.fit((table.data[train] / 16).astype(np.float32), table.target[train])
  right = model.score((table.data[test] / 16).astype(np.float32), table.target[test])
  baseline = fit_linear_baseline(classify)
  assert baseline.test_error == pytest.approx(1 - right)
  assert baseline.examples == 360
  assert baseline.test_error < 0.1 < classify.problem.chance_error
