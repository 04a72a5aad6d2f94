"""The order in which examples come, and how it goes on after a stop."""

import dataclasses
import math

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from rnn_research import data
from rnn_research.problem import Batch, Problem


def numbered(size, steps=3, form="many_to_one"):
  """A dataset whose example i holds the number i everywhere."""
  numbers = np.arange(size)
  over_time = np.tile(numbers, (steps, 1))
  targets = numbers if form == "many_to_one" else over_time
  split = Batch(
    inputs=over_time[..., None].astype(np.float32),
    targets=targets,
    weights=np.ones(targets.shape, np.float32),
    lengths=1 + numbers % steps,
    events=np.stack([numbers, numbers + 1], axis=-1),
    resets=over_time % 2 == 0,
    decoder_inputs=over_time + 100,
    context=np.stack([numbers, -numbers], axis=-1).astype(np.float32),
  )
  loss = "cross_entropy"
  problem = Problem("numbers", form, steps, 1, size, loss, 0.0, 0.0, 0.0)
  return data.Dataset(problem, split, split)


@pytest.mark.parametrize(("size", "batch"), [(12, 4), (10, 4), (3, 8)])
def test_every_epoch_shows_every_example_once(size, batch):
  stream = numbered(size).stream([5, 6], batch)
  epochs = 4
  steps = math.ceil(epochs * size / batch)
  seen = np.concatenate([stream[s].targets for s in range(steps)], axis=1)
  epoch = seen[:, : epochs * size].reshape(2, epochs, size)
  whole = np.broadcast_to(np.arange(size), epoch.shape)
  np.testing.assert_array_equal(np.sort(epoch, axis=-1), whole)


def test_orders_differ_between_epochs_and_seeds_and_not_with_the_seeds_beside():
  dataset = numbered(64)
  many = dataset.stream([-1, 7, 8], 16)
  alone = dataset.stream([8], 16)
  for step in (0, 3, 4, 1000):
    np.testing.assert_array_equal(many[step].targets[2], alone[step].targets[0])
  first, later = many[0].targets, many[4].targets
  assert (first[0] != first[1]).any() and (first[1] != first[2]).any()
  assert (first[2] != later[2]).any()
  again = dataset.stream([-1, 7, 8], 16)
  np.testing.assert_array_equal(again[1000].targets, many[1000].targets)


@pytest.mark.parametrize("form", ["many_to_one", "many_to_many"])
def test_all_fields_of_an_example_stay_together(form):
  dataset = numbered(9, steps=4, form=form)
  batch = dataset.stream([0, 1, 2], 5)[11]
  assert batch.inputs.shape == (3, 4, 5, 1)
  numbers = batch.inputs[:, 0, :, 0].astype(int)
  over_time = np.repeat(numbers[:, None], 4, axis=1)
  np.testing.assert_array_equal(batch.inputs[..., 0], over_time)
  expected = numbers if form == "many_to_one" else over_time
  np.testing.assert_array_equal(batch.targets, expected)
  assert batch.weights.shape == expected.shape
  np.testing.assert_array_equal(batch.lengths, 1 + numbers % 4)
  np.testing.assert_array_equal(batch.events[..., 1], numbers + 1)
  np.testing.assert_array_equal(batch.resets, over_time % 2 == 0)
  np.testing.assert_array_equal(batch.decoder_inputs, over_time + 100)
  np.testing.assert_array_equal(batch.context[..., 1], -numbers)


def test_iterating_is_indexing():
  dataset = numbered(30)
  unpacked = dataset.train._replace(resets=None)
  stream = dataclasses.replace(dataset, train=unpacked).stream([3, 4], 7)
  iterator = iter(stream)
  for step in range(40):
    got = next(iterator)
    jax.tree.map(np.testing.assert_array_equal, got, stream[step])
  iterator.close()
  stacked = stream.batch(5)[2]
  np.testing.assert_array_equal(stacked.inputs[3], stream[13].inputs)
  assert stacked.resets is None


def test_resuming_is_going_on():
  stream = numbered(10).stream([0, 1], 4)
  grain.experimental.assert_equal_output_after_checkpoint(stream[:12].to_iter_dataset())


def test_orbax_keeps_the_place(tmp_path):
  stream = numbered(10).stream([0, 1], 4)
  iterator = iter(stream)
  for _ in range(7):
    next(iterator)
  with ocp.CheckpointManager(tmp_path) as manager:
    save = grain.checkpoint.CheckpointSave(iterator)
    manager.save(7, args=ocp.args.Composite(data=save))
    manager.wait_until_finished()
    resumed = iter(stream)
    restore = grain.checkpoint.CheckpointRestore(resumed)
    manager.restore(7, args=ocp.args.Composite(data=restore))
  for step in (7, 8):
    jax.tree.map(np.testing.assert_array_equal, next(resumed), stream[step])
  iterator.close()
  resumed.close()
