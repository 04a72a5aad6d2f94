"""The tally of a batch: plain numpy's numbers, and padding that never counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.problem import Batch, Problem, example_axes
from rnn_research.training.losses import Tally, position_losses, tally

TIME, BATCH, CLASSES, SIZE = 7, 6, 4, 3
TOLERANCE = 0.5
LENGTHS = np.array([7, 0, 3, 1, 5, 7])


def make_problem(form, loss):
  classes = loss == "cross_entropy"
  return Problem(
    name="test",
    form=form,
    length=TIME,
    input_size=2,
    output_size=CLASSES if classes else SIZE,
    loss=loss,
    tolerance=0.0 if classes else TOLERANCE,
    chance_loss=1.0,
    chance_error=1.0,
  )


def make_case(form, loss, seed=0):
  """A problem, outputs and a batch; weights are 0 on padding, 1 or 1/2 elsewhere."""
  rng = np.random.default_rng(seed)
  problem = make_problem(form, loss)
  axes = (TIME, BATCH) if form == "many_to_many" else (BATCH,)
  outputs = rng.normal(size=(*axes, problem.output_size))
  if loss == "cross_entropy":
    targets = rng.integers(CLASSES, size=axes)
  else:
    targets = outputs + 0.5 * rng.normal(size=outputs.shape)
  weights = rng.choice([0.5, 1.0], size=axes)
  if form == "many_to_many":
    weights = np.where(np.arange(TIME)[:, None] < LENGTHS, weights, 0.0)
  else:
    weights[2] = 0.0
  batch = Batch(
    inputs=jnp.zeros((TIME, BATCH, 2)),
    targets=jnp.asarray(targets),
    weights=jnp.asarray(weights),
  )
  return problem, jnp.asarray(outputs), batch


def plain_tally(problem, outputs, batch):
  """The same in loops over positions, one example after the other."""
  outputs, targets = np.asarray(outputs), np.asarray(batch.targets)
  weights = np.asarray(batch.weights)
  if weights.ndim == 1:
    outputs, targets, weights = outputs[None], targets[None], weights[None]
  loss = count = wrong_sequences = sequences = wrong_positions = 0.0
  for example in range(weights.shape[1]):
    wrong_here = supervised_here = False
    for step in range(weights.shape[0]):
      weight = weights[step, example]
      if weight == 0:
        continue
      output, target = outputs[step, example], targets[step, example]
      if problem.loss == "cross_entropy":
        position = np.log(np.sum(np.exp(output))) - output[target]
        wrong = np.argmax(output) != target
      else:
        position = np.sum((output - target) ** 2)
        wrong = position > problem.tolerance
      loss += weight * position
      count += weight
      wrong_positions += wrong
      wrong_here |= bool(wrong)
      supervised_here = True
    wrong_sequences += wrong_here
    sequences += supervised_here
  return Tally(loss, count, wrong_sequences, sequences, wrong_positions)


each_form = pytest.mark.parametrize("form", ["many_to_one", "many_to_many"])
each_loss = pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])


@each_form
@each_loss
def test_tally_is_that_of_plain_loops(float64, form, loss):
  problem, outputs, batch = make_case(form, loss)
  found, wanted = tally(problem, outputs, batch), plain_tally(problem, outputs, batch)
  np.testing.assert_allclose(found, wanted, rtol=1e-13)
  # The case tells right from wrong, and supervised from not.
  assert 0 < wanted.wrong_sequences <= wanted.sequences < BATCH
  if form == "many_to_many":
    assert wanted.wrong_sequences < wanted.wrong_positions


@each_loss
def test_nothing_on_padding_counts_or_spreads(float64, loss):
  problem, outputs, batch = make_case("many_to_many", loss)
  padded = np.asarray(batch.weights) == 0
  spoiled = jnp.where(padded[..., None], jnp.nan, outputs)
  targets = batch.targets
  if loss == "squared_error":
    targets = jnp.where(padded[..., None], jnp.inf, targets)
  else:
    targets = jnp.where(padded, CLASSES + 5, targets)
  other = batch._replace(targets=targets)

  def mean(outputs, batch):
    parts = tally(problem, outputs, batch)
    return parts.loss / parts.count, parts

  clean, found = (
    jax.value_and_grad(mean, has_aux=True)(*case)
    for case in ((outputs, batch), (spoiled, other))
  )
  np.testing.assert_array_equal(np.array(found[0][1]), np.array(clean[0][1]))
  np.testing.assert_array_equal(found[1], clean[1])
  assert not np.asarray(found[1])[padded].any()


@each_form
@each_loss
def test_a_supervised_output_that_is_not_finite_is_wrong(form, loss):
  problem, _, batch = make_case(form, loss)
  if loss == "cross_entropy":
    targets = jnp.zeros_like(batch.targets)
    right = jax.nn.one_hot(targets, CLASSES)
  else:
    targets, right = batch.targets, batch.targets
  batch = batch._replace(targets=targets)
  assert tally(problem, right, batch).wrong_positions == 0
  broken = right.at[(0,) * (right.ndim - 2) + (0, 1)].set(jnp.nan)
  found = tally(problem, broken, batch)
  assert (found.wrong_positions, found.wrong_sequences) == (1, 1)


@each_form
@each_loss
def test_parts_add_up(float64, form, loss):
  problem, outputs, batch = make_case(form, loss)
  whole = tally(problem, outputs, batch)
  axis = example_axes(batch).weights

  def part(chosen):
    targets, weights = (
      leaf.take(chosen, axis) for leaf in (batch.targets, batch.weights)
    )
    taken = Batch(batch.inputs[:, chosen], targets, weights)
    return tally(problem, outputs.take(chosen, axis), taken)

  parts = [part(np.array(chosen)) for chosen in ([0, 3], [1, 2, 5], [4])]
  np.testing.assert_allclose(np.sum(parts, axis=0), np.array(whole), rtol=1e-14)


@each_loss
def test_a_wrong_step_makes_its_sequence_wrong_once(loss):
  problem, _, batch = make_case("many_to_many", loss)
  if loss == "cross_entropy":
    batch = batch._replace(targets=jnp.ones_like(batch.targets))
    right = jax.nn.one_hot(batch.targets, CLASSES)
    wrong = right[..., ::-1]
  else:
    right = batch.targets
    wrong = right + 1
  outputs = right.at[:2, 4].set(wrong[:2, 4])
  found = tally(problem, outputs, batch)
  assert (found.wrong_positions, found.wrong_sequences) == (2, 1)
  assert int(found.sequences) == np.count_nonzero(LENGTHS)


def test_positions_sum_to_the_tally(float64):
  problem, outputs, batch = make_case("many_to_many", "cross_entropy")
  losses = position_losses(problem, outputs, batch)
  assert losses.shape == batch.weights.shape
  np.testing.assert_allclose(losses.sum(), tally(problem, outputs, batch).loss, 1e-14)
