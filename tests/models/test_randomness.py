"""Dropout and noise: where they act, and when they don't."""

import functools

import jax
import numpy as np
import pytest

from rnn_research import models
from tests.models.small_models import (
  build,
  close,
  make_batch,
  random_params,
  run,
  run_again,
  streams,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


def test_evaluation_drops_nothing_and_draws_no_noise():
  batch = make_batch()
  plain = build("many_to_many", layers=2)
  noisy = build("many_to_many", layers=2, dropout=0.5)
  zoned = build("many_to_many", layers=2, wrappers=("zoneout:0.3",))
  params = random_params(plain, batch)
  np.testing.assert_array_equal(run(noisy, params, batch), run(plain, params, batch))
  for model in (noisy, zoned):
    evaluated = run(model, params, batch)
    first, same, other = (
      run(model, params, batch, True, streams(jax.random.key(seed)))
      for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01
    assert np.abs(first - evaluated).max() > 0.01


def test_nothing_is_dropped_below_the_first_or_above_the_last_layer():
  batch = make_batch()
  model = build("many_to_many", dropout=0.5)
  params = random_params(model, batch)
  trained = run(model, params, batch, True, streams(jax.random.key(0)))
  np.testing.assert_array_equal(trained, run(model, params, batch))


@pytest.mark.parametrize("variational", [False, True])
def test_the_dropout_mask(variational):
  rate, batch = 0.25, make_batch(batch=50)
  model = build(hidden=40, layers=2, dropout=rate, variational=variational)
  rngs = streams(jax.random.key(0))
  look = functools.partial(models.make_traces, model, train=True, rngs=rngs)
  traces = jax.jit(look)(random_params(model, batch), batch)
  below, above = run_again(traces["layer_0"]), np.asarray(traces["layer_1"].xs)
  kept = above != 0
  close(above, np.where(kept, below / (1 - rate), 0))
  draws = kept[0].size if variational else kept.size
  assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / draws)
  constant = (kept == kept[:1]).all(0)
  # Six independent draws agree with probability .75**6 + .25**6.
  share = 1 if variational else 0.75**6 + 0.25**6
  error = np.sqrt(share * (1 - share) / constant.size)
  assert abs(constant.mean() - share) <= 5 * error
