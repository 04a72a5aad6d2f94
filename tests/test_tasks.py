"""The synthetic tasks against targets recomputed from their inputs."""

import functools
import math

import jax
import numpy as np
import pytest

from rnn_research.errors import ConfigError
from rnn_research.problem import Batch
from rnn_research.tasks import TASKS

LENGTH = 24
MANY = 4096


@functools.cache
def sampled(name, length=LENGTH, batch=MANY):
  """One large batch of a task, in numpy."""
  task = TASKS[name](length)
  sample = jax.jit(task.sample, static_argnames="batch")
  drawn = sample(jax.random.key(7), batch=batch)
  return task.problem, jax.tree.map(np.asarray, drawn)


def symbols_of(inputs):
  """The symbols behind one-hot inputs, which are checked to be one-hot."""
  np.testing.assert_array_equal(np.sort(inputs, -1)[..., -1], 1)
  np.testing.assert_array_equal(inputs.sum(-1), 1)
  return inputs.argmax(-1)


def assert_uniform(values, categories):
  """Every category's share is within five standard errors of 1/categories."""
  values = np.ravel(values)
  share = np.bincount(values, minlength=categories) / values.size
  assert share.size == categories
  expected = 1 / categories
  error = math.sqrt(expected * (1 - expected) / values.size)
  assert np.abs(share - expected).max() <= 5 * error


def measured_error(problem, batch, predicted):
  """Fraction of sequences with a wrong supervised position, and its error."""
  if problem.loss == "squared_error":
    wrong = ((batch.targets - predicted) ** 2).sum(-1) > problem.tolerance
  else:
    wrong = batch.targets != predicted
  wrong = wrong & (batch.weights > 0)
  wrong = wrong.any(0) if wrong.ndim == 2 else wrong
  share = wrong.mean()
  return share, math.sqrt(max(share * (1 - share), 1 / wrong.size) / wrong.size)


@pytest.mark.parametrize("name", ["adding", "multiplication"])
@pytest.mark.parametrize("length", [2, 7, LENGTH])
def test_marked_numbers_give_the_target(name, length):
  _, batch = sampled(name, length)
  numbers, marks = batch.inputs[..., 0], batch.inputs[..., 1]
  assert set(np.unique(marks)) <= {0, 1}
  assert 0 <= numbers.min() and numbers.max() < 1
  half = length // 2
  np.testing.assert_array_equal(marks[:half].sum(0), 1)
  np.testing.assert_array_equal(marks[half:].sum(0), 1)
  for example in range(200):
    steps = np.flatnonzero(marks[:, example])
    np.testing.assert_array_equal(batch.events[example], steps)
    first, second = numbers[steps, example]
    expected = first + second if name == "adding" else first * second
    np.testing.assert_allclose(batch.targets[example], [expected], rtol=1e-6)
  assert_uniform(batch.events[:, 0], half)
  assert_uniform(batch.events[:, 1] - half, length - half)


@pytest.mark.parametrize(
  ("name", "windows"),
  [
    ("temporal_order", {10: (1, 5), 24: (2, 12), 100: (10, 50)}),
    (
      "temporal_order_3",
      {10: (1, 3, 6), 24: (2, 7, 15), 100: (10, 33, 66)},
    ),
  ],
)
@pytest.mark.parametrize("length", [10, 24, 100])
def test_marked_symbols_give_the_class(name, windows, length):
  problem, batch = sampled(name, length)
  symbols = symbols_of(batch.inputs)
  for example in range(200):
    steps = np.flatnonzero(symbols[:, example] < 2)
    np.testing.assert_array_equal(batch.events[example], steps)
    digits = "".join(str(s) for s in symbols[steps, example][::-1])
    assert batch.targets[example] == int(digits, base=2)
  assert_uniform(batch.targets, problem.output_size)
  assert_uniform(symbols[symbols >= 2] - 2, 4)
  for event, start in enumerate(windows[length]):
    assert_uniform(batch.events[:, event] - start, length // 10)


@pytest.mark.parametrize(
  ("name", "count", "alphabet", "cue_step"),
  [
    ("copy_memory", 10, 8, LENGTH + 9),
    ("memorisation", 5, 2, LENGTH + 5),
  ],
)
def test_what_was_shown_is_due_after_the_wait(name, count, alphabet, cue_step):
  _, batch = sampled(name)
  symbols, steps = symbols_of(batch.inputs), LENGTH + 2 * count
  blank, cue = alphabet, alphabet + 1
  expected = np.full((steps, MANY), blank)
  expected[-count:] = symbols[:count]
  np.testing.assert_array_equal(batch.targets, expected)
  after = np.full(steps - count, blank)
  after[cue_step - count] = cue
  np.testing.assert_array_equal(
    symbols[count:], np.broadcast_to(after[:, None], (steps - count, MANY))
  )
  assert_uniform(symbols[:count], alphabet)
  np.testing.assert_array_equal(batch.weights, np.ones((steps, MANY)))
  for example in (0, 17):
    np.testing.assert_array_equal(
      batch.events[example], np.flatnonzero(symbols[:, example] < blank)
    )


@pytest.mark.parametrize("delay", [1, 3])
def test_delayed_xor_compares_bits_one_and_two_delays_ago(delay):
  _, batch = sampled("delayed_xor", delay)
  bits = batch.inputs[..., 0]
  assert_uniform(bits.astype(int), 2)
  steps = 4 * delay
  for t in range(steps):
    supervised = t >= 2 * delay
    np.testing.assert_array_equal(batch.weights[t], float(supervised))
    if supervised:
      differ = bits[t - delay] != bits[t - 2 * delay]
      np.testing.assert_array_equal(batch.targets[t], differ)
  for example in range(50):
    first, second = batch.events[example]
    assert (steps - 1 - second, steps - 1 - first) == (delay, 2 * delay)
    differ = bits[first, example] != bits[second, example]
    assert batch.targets[-1, example] == differ


@pytest.mark.parametrize("length", [1, LENGTH])
def test_parity_counts_ones(length):
  _, batch = sampled("parity", length)
  ones = symbols_of(batch.inputs).sum(0)
  np.testing.assert_array_equal(batch.targets == 1, ones % 2 == 1)
  assert_uniform(batch.targets, 2)


@pytest.mark.parametrize("length", [1, 5])
def test_reversal_says_the_source_backwards_under_teacher_forcing(length):
  _, batch = sampled("reversal", length)
  source = symbols_of(batch.inputs)
  assert_uniform(source, 8)
  for example in range(200):
    said = list(reversed(source[:, example].tolist()))
    assert batch.targets[:, example].tolist() == said
    assert batch.decoder_inputs[:, example].tolist() == [8, *said[:-1]]
  np.testing.assert_array_equal(batch.weights, np.ones((length, MANY)))


# Short lengths, so that the chance of a whole sequence is seen in a sample.
@pytest.mark.parametrize(
  ("name", "length"),
  [
    ("adding", LENGTH),
    ("copy_memory", 1),
    ("delayed_xor", 1),
    ("memorisation", 3),
    ("multiplication", LENGTH),
    ("parity", 9),
    ("reversal", 1),
    ("reversal", 2),
    ("temporal_order", LENGTH),
    ("temporal_order_3", LENGTH),
  ],
)
def test_chance_is_what_the_best_constant_predictor_gets(name, length):
  problem, batch = sampled(name, length, 4 * MANY)
  if problem.loss == "squared_error":
    best = batch.targets.mean(0)
    losses = ((batch.targets - best) ** 2).sum(-1)
    guess = np.broadcast_to(best, batch.targets.shape)
  else:
    # The best constant knows the step: class frequencies at every position.
    classes = np.arange(problem.output_size)
    targets = np.reshape(batch.targets, (-1, 4 * MANY))
    shares = (targets[..., None] == classes).mean(1)
    chosen = np.take_along_axis(shares, targets, 1)
    losses = -np.log(chosen).reshape(batch.targets.shape)
    guess = np.broadcast_to(shares.argmax(-1)[:, None], targets.shape)
    guess = guess.reshape(batch.targets.shape)
  loss = (losses * batch.weights).sum() / batch.weights.sum()
  assert loss == pytest.approx(problem.chance_loss, rel=0.02)
  error, standard_error = measured_error(problem, batch, guess)
  assert abs(error - problem.chance_error) < 5 * standard_error


def test_chance_of_a_whole_sequence_is_the_product_over_its_positions():
  names = ("copy_memory", "delayed_xor", "memorisation", "reversal")
  at = {name: TASKS[name](6).problem for name in names}
  assert 1 - at["copy_memory"].chance_error == pytest.approx(1 / 8**10)
  assert at["copy_memory"].chance_loss == pytest.approx(10 * math.log(8) / 26)
  assert 1 - at["delayed_xor"].chance_error == pytest.approx(1 / 4096)
  assert 1 - at["memorisation"].chance_error == pytest.approx(1 / 32)
  assert 1 - at["reversal"].chance_error == pytest.approx(1 / 262144)


@pytest.mark.parametrize("name", TASKS)
def test_problem_describes_the_batch(name):
  problem, batch = sampled(name, batch=3)
  assert problem.name == name
  assert batch.inputs.shape == (problem.length, 3, problem.input_size)
  values = problem.loss == "squared_error"
  assert np.issubdtype(batch.targets.dtype, np.floating if values else np.int32)
  if values:
    assert batch.targets.shape == (3, problem.output_size)
  else:
    assert batch.targets.max() < problem.output_size
  whole = batch.targets[..., 0] if values else batch.targets
  assert batch.weights.shape == whole.shape


@pytest.mark.parametrize("name", TASKS)
def test_same_key_same_batch_however_it_is_run(name):
  task = TASKS[name](LENGTH)
  keys = jax.random.split(jax.random.key(3), 2)
  eager = task.sample(keys[0], 5)
  sample = jax.jit(jax.vmap(lambda key: task.sample(key, 5)))
  seeds = sample(keys)
  for field in Batch._fields:
    value = getattr(eager, field)
    if value is None:
      assert getattr(seeds, field) is None
    else:
      np.testing.assert_array_equal(getattr(seeds, field)[0], value)
  assert (np.asarray(seeds.inputs[0]) != np.asarray(seeds.inputs[1])).any()


@pytest.mark.parametrize("name", TASKS)
def test_float64_where_it_is_on(name):
  task = TASKS[name](LENGTH)
  with jax.enable_x64(True):
    key = jax.random.key(0)
    batch = jax.eval_shape(lambda key: task.sample(key, 2), key)
  assert batch.inputs.dtype == batch.weights.dtype == np.float64
  if task.problem.loss == "squared_error":
    assert batch.targets.dtype == np.float64


@pytest.mark.parametrize("name", TASKS)
def test_a_length_without_room_is_refused(name):
  shortest = TASKS[name].shortest
  for length in (0, -3, shortest - 1):
    with pytest.raises(ConfigError, match=f"at least {shortest}") as raised:
      TASKS[name](length)
    assert raised.value.field == "task.length"
    assert str(length) in raised.value.problem
  task = TASKS[name](shortest)
  jax.eval_shape(lambda key: task.sample(key, 2), jax.random.key(0))
