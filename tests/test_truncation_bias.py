"""What truncation does to a gradient: the figures, the model's field, the records."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import models
from rnn_research.cells import GRU
from rnn_research.config import ModelConfig
from rnn_research.diagnostics import (
  ADJOINT,
  gradient_bias,
  leaf_biases,
  truncation_biases,
)
from rnn_research.errors import ConfigError
from rnn_research.problem import Batch, Problem
from rnn_research.training.start import start
from rnn_research.unroll import unroll
from tests.laws.closeness import assert_close, distance
from tests.laws.losses import unoptimised
from tests.small_run import make_config, train

TIME, BATCH, INPUTS, HIDDEN, OUTPUTS = 7, 3, 2, 4, 2
KINDS = {"many_to_one": (BATCH,), "many_to_many": (TIME, BATCH)}


def problem_of(form):
  """Classes, of the last output or of every one."""
  return Problem(
    name="made up",
    form=form,
    length=TIME,
    input_size=INPUTS,
    output_size=OUTPUTS,
    loss="cross_entropy",
    tolerance=0.0,
    chance_loss=0.7,
    chance_error=0.5,
  )


def make_batch(form="many_to_one"):
  shape = KINDS[form]
  return Batch(
    inputs=jax.random.normal(jax.random.key(0), (TIME, BATCH, INPUTS), float),
    targets=jnp.zeros(shape, int),
    weights=jnp.ones(shape, float),
  )


# The figures


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize(
  ("truncated", "whole", "cosine", "ratio"),
  [
    ([3.0, 0.0, 4.0], [3.0, 0.0, 4.0], 1, 1),
    ([1.0, 0.0, 0.0], [0.0, 2.0, 0.0], 0, 0.5),
    ([-1.0, 0.0, -2.0], [0.5, 0.0, 1.0], -1, 2),
    ([1.0, 0.0, 0.0], [1.0, 0.0, 1.0], 0.5**0.5, 0.5**0.5),
  ],
)
def test_angle_and_ratio_of_trees_made_by_hand(truncated, whole, cosine, ratio, size):
  """In float32 as well where squares are zero or infinite."""

  def tree(values):
    values = jnp.asarray(values, jnp.float32) * jnp.float32(size)
    return {"a": values[:1], "b": {"c": values[1:].reshape(2, 1)}}

  bias = gradient_bias(tree(truncated), tree(whole))
  np.testing.assert_allclose(bias.cosine, cosine, rtol=1e-6, atol=1e-7)
  np.testing.assert_allclose(bias.norm_ratio, ratio, rtol=1e-6)
  shrunk = gradient_bias(tree(np.multiply(truncated, 1e-5)), tree(whole))
  np.testing.assert_allclose(shrunk.cosine, cosine, rtol=1e-6, atol=1e-7)
  np.testing.assert_allclose(shrunk.norm_ratio, 1e-5 * ratio, rtol=1e-5)


def test_a_leaf_has_its_own():
  truncated = {"a": jnp.array([1.0, 0.0]), "b": {"c": jnp.zeros(2)}}
  whole = {"a": jnp.array([0.0, 4.0]), "b": {"c": jnp.array([0.0, 1e3])}}
  found = leaf_biases(truncated, whole)
  assert list(found) == ["a", "b/c"]
  np.testing.assert_array_equal(found["a"], (0, 0.25))
  # Nothing has no direction.
  np.testing.assert_array_equal(found["b/c"], (np.nan, 0))


def test_the_bias_of_many_truncations_goes_away_with_their_reach(float64):
  """The figures of the definition, by the truncated gradient itself."""
  cell = GRU()
  params = cell.init(jax.random.key(0), INPUTS, HIDDEN)
  xs = jax.random.normal(jax.random.key(1), (TIME, BATCH, INPUTS), float)

  def make_loss(truncation):
    def loss(params):
      return jnp.sin(unroll(cell, params, xs, truncation=truncation)[1]).sum()

    return loss

  reaches = [(1, k) for k in (1, 3, TIME, 2 * TIME)]
  found = unoptimised(lambda p: truncation_biases(make_loss, p, reaches))(params)
  assert found.cosine.shape == found.norm_ratio.shape == (4,)
  np.testing.assert_allclose(found.cosine[2:], 1, rtol=1e-14)
  np.testing.assert_allclose(found.norm_ratio[2:], 1, rtol=1e-14)
  assert found.cosine[0] < found.cosine[1] < 1 - 1e-6

  def flat(truncation):
    leaves = jax.tree.leaves(jax.grad(make_loss(truncation))(params))
    return np.concatenate([np.ravel(leaf) for leaf in leaves])

  cut, whole = flat((1, 1)), flat(None)
  error = np.linalg.norm(cut - whole) / np.linalg.norm(whole)
  c, r = found.cosine[0], found.norm_ratio[0]
  np.testing.assert_allclose(np.sqrt(r**2 - 2 * r * c + 1), error, rtol=1e-12)


# The model


def build(form, measure=None, **options):
  config = ModelConfig(cell="rnn", hidden=HIDDEN, **options)
  return models.build(config, problem_of(form), measure)


@pytest.mark.parametrize("form", KINDS)
def test_a_model_truncates_each_of_its_layers(float64, form):
  """One layer in each direction: the loss of the last output, k2 steps from it."""
  batch = make_batch(form)
  options = {"layers": 2, "bidirectional": True}
  whole = build(form, **options)
  params = unoptimised(whole.init)(jax.random.key(1), batch)["params"]

  def gradient(**truncation):
    model = build(form, **options, **truncation)

    def value(params, inputs):
      outputs = model.apply({"params": params}, batch._replace(inputs=inputs))
      return jnp.sin(outputs).sum(), outputs

    return jax.grad(value, (0, 1), has_aux=True)(params, batch.inputs)

  @unoptimised
  def program():
    cut = {"truncate_every": 2}
    return (
      gradient(),
      gradient(**cut),
      gradient(truncate_reach=2, **cut),
      gradient(truncate_reach=3, **cut),
      gradient(truncate_reach=TIME, **cut),
    )

  whole, same, alike, longer, all_steps = program()
  assert_close(alike, same, 1e-12)
  assert_close(all_steps, whole, 1e-12)
  for cut in (same, longer):
    assert_close(cut[1], whole[1], 1e-12, "outputs")
    for layer in ("layer_0", "layer_1"):
      for way in ("forward", "backward"):
        pair = [g[0][0][layer][way]["cell"]["hidden"] for g in (cut, whole)]
        assert distance(*pair) > 1e-6, (layer, way)
  assert distance(longer[0], same[0]) > 1e-6


def test_only_the_last_steps_of_a_truncated_layer_are_seen(float64):
  """k2 of them, whether the length is a multiple of k1 or not."""
  batch = make_batch()
  for every, reach in ((2, 2), (3, 3), (2, 3), (3, 5)):
    model = build("many_to_one", truncate_every=every, truncate_reach=reach)
    params = model.init(jax.random.key(1), batch)["params"]
    through = jax.grad(
      lambda xs, m=model, p=params: m.apply(
        {"params": p}, batch._replace(inputs=xs)
      ).sum()
    )(batch.inputs)
    seen = np.flatnonzero(np.abs(through).sum((1, 2)))
    np.testing.assert_array_equal(seen, range(TIME - reach, TIME))


def test_overlapping_windows_have_no_taps():
  with pytest.raises(ConfigError, match="^model.truncate_reach: "):
    build("many_to_one", ADJOINT, truncate_every=2, truncate_reach=3)
  build("many_to_one", ADJOINT, truncate_every=2, truncate_reach=2)


# The records


FEW = {"seeds": 2, "train.steps": 4}


@pytest.mark.parametrize("reach", [0, 5])
def test_a_truncated_run_records_its_bias(quickly, reach, tmp_path):
  """At every inspection, of all leaves together and of each, by seed."""
  changes = {"model.truncate_every": 3, "model.truncate_reach": reach}
  _, records = train(tmp_path, FEW | changes)
  inspected = [row for row in records.rows if "lag/layer_0/loss/log10" in row]
  assert [row["step"] for row in inspected] == [0, 4]
  for row in records.rows:
    names = {name for name in row if name.startswith("truncation/")}
    assert bool(names) == (row in inspected)
  for row in inspected:
    cosine, ratio = row["truncation/cosine"], row["truncation/norm_ratio"]
    assert len(cosine) == len(ratio) == 2
    assert all(-1 <= c < 1 - 1e-6 for c in cosine), cosine
    assert all(r > 0 for r in ratio)
    kernel = "layer_0/cell/hidden/kernel"
    assert all(c < 1 - 1e-6 for c in row[f"truncation/cosine/{kernel}"])
    # The head sees the last state, and no carry before it.
    np.testing.assert_allclose(row["truncation/cosine/head/kernel"], 1, rtol=1e-6)
    np.testing.assert_allclose(row["truncation/norm_ratio/head/kernel"], 1, rtol=1e-6)
  # Overlapping windows have no adjoint to be read in training.
  adjoints = [name for name in records.arrays if name.startswith("adjoint/")]
  assert bool(adjoints) == (reach == 0)


def test_the_lag_gain_is_that_of_the_network(quickly, tmp_path):
  """Nothing of step 0 but the bias knows of the truncation."""
  rows = []
  for every in (0, 3):
    changes = FEW | {"train.steps": 0, "model.truncate_every": every}
    rows += train(tmp_path / str(every), changes)[1].rows
  assert not any(name.startswith("truncation/") for name in rows[0])
  rest = {n: v for n, v in rows[1].items() if not n.startswith("truncation/")}
  assert rest == rows[0]


def test_truncation_is_part_of_the_program(tmp_path):
  """And what is inspected isn't truncated, whatever the run is trained with."""
  programs = []
  for every, reach in ((0, 0), (3, 0), (3, 4)):
    changes = {"model.truncate_every": every, "model.truncate_reach": reach}
    folder = tmp_path / f"{every}_{reach}"
    programs.append(start(make_config(changes), str(folder)).program)
  assert len({program.model for program in programs}) == 3
  assert len({program.inspected for program in programs}) == 1
  assert programs[1].measured != programs[1].model
  assert programs[2].measured == programs[2].model
