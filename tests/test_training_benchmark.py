"""The loops of other libraries train on our task, and times become the right rows."""

import importlib.util
import math
import types

import jax
import numpy as np
import pytest

from benchmarks.loops import Loop, ours
from benchmarks.loops import digits as digits_of_peers
from benchmarks.loops import worker as loops_worker
from benchmarks.loops.entries import CHUNK, TASKS, Entry, config_of
from benchmarks.training_figure import draw
from benchmarks.training_rows import devices_of, groups, rows_of, table
from rnn_research import data
from rnn_research.config import DataConfig
from rnn_research.data.preparation import prepare
from rnn_research.tasks import TASKS as OUR_TASKS

LENGTH, BATCH = 37, 4000
has_torch = importlib.util.find_spec("torch") is not None


def sample_ours():
  task = OUR_TASKS["temporal_order"](length=LENGTH)
  batch = task.sample(jax.random.key(1), BATCH)
  return batch.inputs, batch.targets


def sample_flax():
  from benchmarks.loops.flax import sample_temporal_order

  # Written as its users write: indices of two ranks in one line.
  with jax.numpy_rank_promotion("allow"):
    return sample_temporal_order(jax.random.key(1), LENGTH, BATCH)


def sample_torch():
  import torch

  from benchmarks.loops.torch import sample_temporal_order

  torch.manual_seed(1)
  return (x.numpy() for x in sample_temporal_order(LENGTH, BATCH))


@pytest.mark.parametrize(
  "sample",
  [
    sample_ours,
    sample_flax,
    pytest.param(
      sample_torch, marks=pytest.mark.skipif(not has_torch, reason="no torch")
    ),
  ],
)
def test_every_sampler_draws_our_task(sample):
  inputs, targets = map(np.asarray, sample())
  assert inputs.shape == (LENGTH, BATCH, 6) and inputs.dtype == np.float32
  assert (np.sort(inputs, axis=-1) == [0, 0, 0, 0, 0, 1]).all()
  symbols = inputs.argmax(-1)
  # One marked symbol in [L/10, 2 L/10), one in [L/2, L/2 + L/10), none elsewhere.
  steps, examples = np.nonzero((symbols < 2).T)[::-1]
  assert (examples == np.repeat(np.arange(BATCH), 2)).all()
  first, second = steps.reshape(BATCH, 2).T
  assert set(first) == {3, 4, 5} and set(second) == {18, 19, 20}
  rows = np.arange(BATCH)
  labels = symbols[first, rows] + 2 * symbols[second, rows]
  assert (labels == targets).all()
  # Uniform, within five standard deviations.
  near = 5 * math.sqrt(BATCH)
  assert (abs(np.bincount(targets, minlength=4) - BATCH / 4) < near).all()
  places = np.bincount(3 * (first - 3) + second - 18, minlength=9)
  assert (abs(places - BATCH / 9) < near).all()
  shares = np.bincount(symbols[symbols > 1], minlength=6)[2:] / symbols.size
  np.testing.assert_allclose(shares, (1 - 2 / LENGTH) / 4, atol=0.01)


def test_peers_read_the_images_that_ours_is_trained_on(tmp_path):
  prepare("digits", tmp_path, say=lambda line: None)
  train = data.load(DataConfig("digits", str(tmp_path))).train
  pixels, labels = digits_of_peers.training_images()
  assert pixels.dtype == np.float32 and pixels.shape == train.inputs.shape

  def in_order(pixels, labels):
    table = np.column_stack([pixels[..., 0].T, labels])
    return table[np.lexsort(table.T)]

  np.testing.assert_array_equal(
    in_order(pixels, labels), in_order(train.inputs, train.targets)
  )


def numbered():
  """Images that hold their own number."""
  numbers = np.arange(10)
  return np.tile(numbers[None, :, None], (3, 1, 1)), numbers


def batches_of_flax():
  from benchmarks.loops.flax import batches_of

  return batches_of(*numbered(), 4)


def batches_of_torch():
  import torch

  from benchmarks.loops.torch import batches_of

  torch.manual_seed(0)
  return batches_of(*map(torch.from_numpy, numbered()), 4)


@pytest.mark.parametrize(
  "start",
  [
    batches_of_flax,
    pytest.param(
      batches_of_torch, marks=pytest.mark.skipif(not has_torch, reason="no torch")
    ),
  ],
)
def test_an_epoch_shows_no_image_twice_and_labels_stay_with_theirs(start):
  batches = start()
  orders = []
  for _ in range(3):
    epoch = [next(batches), next(batches)]
    for images, labels in epoch:
      assert images.shape == (3, 4, 1)
      assert (np.asarray(images)[..., 0] == np.asarray(labels)).all()
    orders.append(np.concatenate([np.asarray(labels) for _, labels in epoch]))
  assert all(len(set(order)) == 8 for order in orders)
  assert (orders[0] != orders[1]).any() and (orders[1] != orders[2]).any()


def test_a_chunk_is_a_whole_number_of_dispatches():
  for task in TASKS:
    every = config_of(Entry(task, "gru", 1)).train.log_every
    assert CHUNK % every == 0 and loops_worker.LEAD % every == 0


def test_ours_makes_as_many_steps_as_it_is_asked_for():
  """Rows are written a dispatch late, and one row is that of step 0."""
  loop = ours.make(Entry("temporal_order", "rnn", 1), 1)
  every = config_of(Entry("temporal_order", "rnn", 1)).train.log_every
  written = []
  for _ in range(3):
    loop.ways[0](CHUNK)
    written.append(len(loop.losses()) * every)
  with pytest.raises(ValueError, match="no multiple"):
    loop.ways[0](every)
  loop.close()
  assert np.diff(written).tolist() == [CHUNK, CHUNK]
  assert CHUNK // 2 <= written[0] <= CHUNK


TIMES = {
  ("ours", 1): [2.0, 4.0, 2.0],
  ("ours", 2): [1.0, 2.0, 1.0],
  ("flax", 1): [1.0, 2.0, 1.0],
  ("torch", 1): [4.0, 8.0, 4.0],
  ("torch", 2): [2.0, 4.0, 2.0],
}
WAITED = {member: 0.25 if member == ("ours", 2) else 0.5 for member in TIMES}


@pytest.mark.parametrize(
  "setting, seeds, speeds, ratios",
  [
    ("same_devices", 1, (50, 100, 25), (1, 2, 0.5)),
    ("same_devices", 10, (500, 100, 25), (1, 0.2, 0.05)),
    ("as_shipped", 1, (100, 100, 50), (1, 1, 0.5)),
    ("as_shipped", 10, (1000, 100, 50), (1, 0.1, 0.05)),
  ],
)
def test_steps_of_one_seed_per_second(setting, seeds, speeds, ratios):
  entry = Entry("digits", "lstm", seeds)
  rows = rows_of(entry, setting, 2, 100, TIMES, WAITED)
  assert [row["library"] for row in rows] == ["ours", "flax", "torch"]
  assert [row["steps_per_second"] for row in rows] == pytest.approx(speeds)
  for name in ("ratio", "ratio_low", "ratio_high"):
    assert [row[name] for row in rows] == pytest.approx(ratios)
  share = 0.5 if setting == "same_devices" else 0.25
  assert [row["waiting_share"] for row in rows] == [share, None, None]
  assert {row["rounds"] for row in rows} == {3}
  assert {row["batch"] for row in rows} == {50}


def test_a_task_that_samples_its_own_batches_waits_for_nobody():
  rows = rows_of(Entry("temporal_order", "rnn", 1), "as_shipped", 2, 100, TIMES, WAITED)
  assert {row["waiting_share"] for row in rows} == {None}


def test_flax_has_one_device_and_the_others_all_cores_as_shipped():
  assert [devices_of(name, "as_shipped", 8) for name in ("ours", "flax", "torch")] == [
    8,
    1,
    8,
  ]
  assert {devices_of(n, "same_devices", 8) for n in ("ours", "flax", "torch")} == {1}


def make_rows():
  return [
    row
    for setting in ("same_devices", "as_shipped")
    for seeds in (1, 10)
    for row in rows_of(Entry("digits", "rnn", seeds), setting, 2, 100, TIMES, WAITED)
  ]


def test_table_says_where_ours_is_slower():
  text = table(make_rows())
  assert (
    "| digits | rnn | 1 | 50 | 100 | 25 | **2.00 (2.00-2.00)** | 0.50 (0.50-0.50) "
    "| 50.0% |" in text
  )
  assert text.count("**") == 2
  assert len(groups(make_rows())) == 4


def test_table_and_figure_without_a_library(tmp_path):
  rows = [row for row in make_rows() if row["library"] != "torch"]
  assert "PyTorch" not in table(rows)
  draw(rows, tmp_path / "speed.svg")
  text = (tmp_path / "speed.svg").read_text()
  assert "digits, RNN, 10 seeds" in text and "Flax" in text


def test_only_a_loop_that_learns_is_measured():
  check = loops_worker.check
  check([2.3, 1.9, 1.8, 1.7, 1.6], "digits")
  check([1.39] * 5, "temporal_order")
  for losses in ([], [1.0, math.nan], [2.3] * 5):
    with pytest.raises(ArithmeticError):
      check(losses, "digits")
  with pytest.raises(ArithmeticError):
    check([1.39] * 5 + [2.0] * 4, "temporal_order")


class FakeLoop:
  """Waits a tenth of a second on a clock of its own in every step."""

  def __init__(self, losses):
    self.steps, self.closed, self.losses = [], False, losses

  def make(self, entry, devices):
    """As a library's module does."""

    def close():
      self.closed = True

    return Loop(
      [self.steps.append], lambda: self.losses, lambda: sum(self.steps) / 10, close
    )


def test_steps_that_use_up_what_was_read_ahead_do_not_count(monkeypatch):
  fake = FakeLoop([1.0])
  paced = loops_worker.prepare(
    types.SimpleNamespace(make=fake.make), 1, Entry("digits", "rnn", 1)
  )
  assert fake.steps == [CHUNK] * loops_worker.CHECKED_CHUNKS
  assert paced.ask({"waited": None}) == {"waited": 0.0}
  fake.steps.clear()
  monkeypatch.setattr(
    loops_worker.serving, "repeat", lambda way, count: [way() or 40.0] * count
  )
  assert paced.ask({"measure": 1}) == {"seconds": [40.0]}
  assert fake.steps == [loops_worker.LEAD, CHUNK]
  assert paced.ask({"waited": None}) == {"waited": pytest.approx(CHUNK / 10 / 40)}
  paced.close()
  assert fake.closed


def test_a_loop_that_is_refused_is_closed():
  fake = FakeLoop([math.nan])
  with pytest.raises(ArithmeticError):
    loops_worker.prepare(
      types.SimpleNamespace(make=fake.make), 1, Entry("digits", "rnn", 1)
    )
  assert fake.closed
