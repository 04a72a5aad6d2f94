"""The swap test: what a swap changes, who follows it, and where the states meet."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import LSTM
from rnn_research.diagnostics import follows, since_event, state_distance
from rnn_research.problem import Batch, Problem
from rnn_research.tasks import TASKS, TemporalOrder
from rnn_research.tasks.ordered_symbols import sample_ordered_symbols
from rnn_research.training.memory import compile_memory, swapped_batch
from rnn_research.training.placement import make_layout
from rnn_research.training.program import make_program
from rnn_research.unroll import Trace
from tests.laws.losses import unoptimised
from tests.laws.plain_loop import plain_loop
from tests.laws.subjects import BATCH, TIME, subject
from tests.small_run import make_config

LENGTH, MANY = 12, 300


def answers(name, batch):
  """The targets of a task, recomputed from its inputs and events."""
  inputs, events = batch.inputs, batch.events
  examples = np.arange(inputs.shape[1])[:, None]
  at_events = inputs[events, examples]
  if name in ("adding", "multiplication"):
    combine = np.sum if name == "adding" else np.prod
    return combine(at_events[..., 0], axis=1)[:, None]
  if name == "delayed_xor":
    bits = inputs[..., 0].astype(int)
    answer = np.zeros_like(bits)
    for t in range(2 * LENGTH, 4 * LENGTH):
      answer[t] = bits[t - LENGTH] ^ bits[t - 2 * LENGTH]
    return answer
  symbols = at_events.argmax(-1)
  if name in ("copy_memory", "memorisation"):
    count = symbols.shape[1]
    blank = 8 if name == "copy_memory" else 2
    waiting = np.full((inputs.shape[0] - count, len(symbols)), blank)
    return np.concatenate([waiting, symbols.T])
  return symbols @ 2 ** np.arange(symbols.shape[1])


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"parity", "reversal"}))
def test_a_swap_changes_one_input_and_the_answers_that_need_it(name):
  task = TASKS[name](LENGTH)
  batch = task.sample(jax.random.key(0), MANY)
  swapped = jax.jit(task.swapped)(batch, jax.random.key(1))
  batch, swapped = jax.tree.map(np.asarray, (batch, swapped))
  moved = (batch.inputs != swapped.inputs).any(-1)
  here = np.arange(len(moved))[:, None] == batch.events[:, 0]
  np.testing.assert_array_equal(moved, here)
  # It is an input that the task could have drawn.
  if name in ("adding", "multiplication"):
    numbers = swapped.inputs[..., 0]
    assert 0 <= numbers.min() and numbers.max() < 1
    np.testing.assert_array_equal(batch.inputs[..., 1], swapped.inputs[..., 1])
  elif name != "delayed_xor":
    np.testing.assert_array_equal(swapped.inputs.sum(-1), 1)
  np.testing.assert_allclose(swapped.targets, answers(name, swapped), rtol=1e-5)
  np.testing.assert_allclose(batch.targets, answers(name, batch), rtol=1e-5)
  np.testing.assert_array_equal(batch.weights, swapped.weights)
  assert swapped.targets.dtype == batch.targets.dtype
  if name == "copy_memory":  # any of the seven others
    shift = (swapped.targets[-10] - batch.targets[-10]) % 8
    assert set(shift) == set(range(1, 8))


@pytest.mark.parametrize("name", ["parity", "reversal"])
def test_without_an_event_there_is_nothing_to_swap(name):
  task = TASKS[name](LENGTH)
  batch = task.sample(jax.random.key(0), 2)
  assert task.swapped(batch, jax.random.key(1)) is None


def judged(loss, outputs, targets, others, weights, tolerance=0.0):
  """`follows` of arrays made by hand."""
  problem = Problem("made up", "many_to_one", 1, 1, 1, loss, tolerance, 0, 0)
  inputs = jnp.zeros((1, len(weights), 1))
  batch = Batch(inputs, jnp.array(targets), jnp.array(weights))
  other = batch._replace(targets=jnp.array(others))
  return follows(problem, jnp.array(outputs), batch, other)


def test_following_is_asked_where_the_answers_differ():
  outputs = jax.nn.one_hot(jnp.array([1, 1, 1, 1]), 3)
  # Right; wrong; right, but it was so before; right, but nobody asked.
  found = judged("cross_entropy", outputs, [1, 2, 1, 1], [0, 1, 1, 0], [1.0, 1, 1, 0])
  np.testing.assert_array_equal(found, [True, False, False, False])
  # At every step that differs, and at no other.
  outputs = jax.nn.one_hot(jnp.array([[0, 0], [1, 1], [1, 0]]), 2)
  targets, others = [[1, 1], [1, 1], [1, 1]], [[1, 1], [0, 0], [0, 0]]
  found = judged("cross_entropy", outputs, targets, others, [[1.0, 1]] * 3)
  np.testing.assert_array_equal(found, [True, False])


def test_a_number_follows_within_the_tolerance():
  outputs = [[1.0], [0.85], [0.7], [jnp.nan]]
  targets, others = [[1.0]] * 4, [[0.5]] * 4
  found = judged("squared_error", outputs, targets, others, [1.0] * 4, 0.04)
  np.testing.assert_array_equal(found, [True, True, False, False])


@pytest.mark.parametrize("reverse", [False, True])
def test_state_distance_is_that_of_two_plain_loops(float64, reverse):
  s = subject("lstm", jnp.float64)
  xs = jnp.where(jnp.isnan(s.xs), 0.3, s.xs)
  lengths = jnp.array([TIME, 3, 4, 1])
  events = jnp.array([1, 0, 3, 0])
  here = jnp.arange(TIME)[:, None, None] == events[None, :, None]
  others = jnp.where(here, -xs, xs)

  def states(xs):
    found = []
    for t in range(TIME):  # the state behind step t, of a loop that ends there
      part = slice(t, TIME) if reverse else slice(0, t + 1)
      left = lengths - t if reverse else jnp.minimum(lengths, t + 1)
      options = dict(lengths=left, reverse=reverse, initial_carry=s.carry)
      last, *_ = plain_loop(s.cell, s.params, xs[part], **options)
      found.append(jnp.concatenate([last.memory, last.hidden], axis=-1))
    return jnp.stack(found)

  def traced(xs):
    return Trace(s.cell, reverse, s.params, xs, lengths, initial_carry=s.carry)

  @unoptimised
  def program():
    log = state_distance(traced(xs), traced(others))
    wanted = jnp.linalg.norm(states(xs) - states(others), axis=-1)
    return log, since_event(traced(xs), log, events), wanted

  log, since, wanted = map(np.asarray, program())
  np.testing.assert_allclose(np.exp(log), wanted, rtol=1e-9, atol=1e-14)
  assert (wanted > 0).sum() >= 8
  for b in range(BATCH):
    steps = list(range(events[b], -1, -1) if reverse else range(events[b], lengths[b]))
    np.testing.assert_array_equal(since[: len(steps), b], log[steps, b])
    assert np.isnan(since[len(steps) :, b]).all()


def test_since_an_event_without_lengths():
  trace = Trace(LSTM(), False, None, jnp.zeros((4, 2, 1)))
  series = jnp.arange(8.0).reshape(4, 2)
  found = since_event(trace, series, jnp.array([0, 3]))
  wanted = [[0, 7], [2, np.nan], [4, np.nan], [6, np.nan]]
  np.testing.assert_array_equal(found, wanted)


@dataclasses.dataclass(frozen=True)
class FirstSymbol(TemporalOrder):
  """Which of two symbols stood at the start: one event, and its symbol the class."""

  @property
  def problem(self):
    """Two classes."""
    return super().problem._replace(name="first_symbol", output_size=2)

  def sample(self, key, batch):
    """Symbols 0 and 1 once, and distractors."""
    return sample_ordered_symbols(key, self.length, batch, (self.length // 10,))


def test_who_latches_follows_and_who_forgets_does_not():
  """relu units that count the symbols 0 and 1: recurrent weights of one, or none."""
  task = FirstSymbol(20)
  config = make_config({"seeds": 2, "model.hidden": 2})
  config.model.cell_options.activation = "relu"
  layout = make_layout(2, 4, jax.devices()[:1])
  program = make_program(config, task.problem, task, layout)
  kernel = jnp.zeros((6, 2)).at[:2].set(jnp.eye(2))
  params = {
    "layer_0": {
      "cell": {
        "input": {"kernel": jnp.stack([kernel] * 2), "bias": jnp.zeros((2, 2))},
        "hidden": {"kernel": jnp.stack([jnp.eye(2), jnp.zeros((2, 2))])},
      }
    },
    "head": {"kernel": jnp.stack([jnp.eye(2)] * 2), "bias": jnp.zeros((2, 2))},
  }
  batch = task.sample(jax.random.key(3), MANY)
  swapped = swapped_batch(program, batch)
  found = jax.device_get(compile_memory(program)(params, batch, swapped))
  # Who forgets has equal outputs, which count as class 0.
  zeros = np.mean(np.asarray(swapped.targets) == 0)
  assert 0.4 < zeros < 0.6
  np.testing.assert_allclose(found["follows"], [1, zeros], rtol=1e-6)
  np.testing.assert_allclose(found["stays"], [0, 1 - zeros], rtol=1e-6)
  apart = found["state_distance"]["layer_0"]
  events = np.asarray(batch.events[:, 0])
  known = 20 - events.min()
  for curve in apart:
    np.testing.assert_allclose(curve[0, :known], np.log10(2) / 2, rtol=1e-5)
    np.testing.assert_allclose(curve[1, 0], np.log10(2) / 2, rtol=1e-5)
    assert np.isneginf(curve[1, 1:known]).all()
    assert np.isnan(curve[:, known:]).all()


def test_a_data_set_has_no_swap():
  config = make_config({})
  task = TemporalOrder(20)
  layout = make_layout(4, 4, jax.devices()[:1])
  program = make_program(config, task.problem, None, layout)
  assert swapped_batch(program, task.sample(jax.random.key(0), 2)) is None
