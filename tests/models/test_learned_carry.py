"""An initial carry that is learned: where it starts, acts, and what its gradient is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.errors import ConfigError
from tests.models.small_models import (
  BATCH,
  HIDDEN,
  LENGTHS,
  TIME,
  build,
  close,
  initialise,
  make_batch,
  random_params,
  run,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")
STEP = 1e-5


def with_resets():
  """Padded examples, one of length 0, each parted once."""
  resets = jnp.zeros((TIME, BATCH), bool).at[2].set(True)
  return make_batch(lengths=LENGTHS)._replace(resets=resets)


def test_it_starts_as_zeros_of_every_leaf():
  model = build(cell="lstm", layers=2, learned_carry=True)
  batch = make_batch()
  params = initialise(model, jax.random.key(1), batch)
  for layer in ("layer_0", "layer_1"):
    initial = params[layer].pop("initial")
    assert {name: leaf.shape for name, leaf in initial.items()} == {
      "memory": (HIDDEN,),
      "hidden": (HIDDEN,),
    }
    assert not any(leaf.any() for leaf in initial.values())
  plain = build(cell="lstm", layers=2)
  wanted = initialise(plain, jax.random.key(1), batch)
  jax.tree.map(np.testing.assert_array_equal, params, wanted)


@pytest.mark.parametrize(
  "options",
  [
    {"cell": "lstm", "bidirectional": True},
    {"cell": "rnn", "wrappers": ("time_skip:2",), "layers": 2},
  ],
  ids=["both_ways", "skipping"],
)
def test_its_gradient_is_that_of_finite_differences(options):
  model = build("many_to_many", learned_carry=True, **options)
  batch = with_resets()
  params = random_params(model, batch)

  @jax.jit
  def loss(params):
    return jnp.square(model.apply({"params": params}, batch)).sum()

  gradient = jax.jit(jax.grad(loss))(params)
  leaves, tree = jax.tree_util.tree_flatten_with_path(params)
  values = [leaf for _, leaf in leaves]
  checked = 0
  for number, (path, leaf) in enumerate(leaves):
    if "initial" not in jax.tree_util.keystr(path):
      continue
    found = np.zeros(leaf.shape)
    for entry in range(leaf.size):
      ends = [
        loss(
          jax.tree.unflatten(
            tree,
            [*values[:number], leaf.at[entry].add(shift), *values[number + 1 :]],
          )
        )
        for shift in (STEP, -STEP)
      ]
      found[entry] = (ends[0] - ends[1]) / (2 * STEP)
    assert np.abs(found).min() > 1e-6
    np.testing.assert_allclose(jax.tree.leaves(gradient)[number], found, rtol=1e-6)
    checked += leaf.size
  assert checked == 4 * HIDDEN


def test_every_sequence_of_a_row_begins_with_it():
  model = build("many_to_many", cell="gru", bidirectional=True, learned_carry=True)
  batch = make_batch()
  params = random_params(model, batch)
  resets = jnp.zeros((TIME, BATCH), bool).at[2].set(True)
  outputs = run(model, params, batch._replace(resets=resets))
  parts = [
    run(model, params, batch._replace(inputs=xs))
    for xs in (batch.inputs[:2], batch.inputs[2:])
  ]
  close(outputs, np.concatenate(parts))
  zeroed = jax.tree_util.tree_map_with_path(
    lambda path, leaf: 0 * leaf if "initial" in jax.tree_util.keystr(path) else leaf,
    params,
  )
  assert np.abs(run(model, zeroed, batch)[0] - outputs[0]).max() > 1e-3


def test_a_carry_that_is_given_goes_first():
  model = build("encoder_decoder", learned_carry=True)
  params = initialise(model, jax.random.key(0), make_batch())
  assert "initial" in params["encoder"]["layer_0"]
  assert "initial" not in params["decoder"]["layer_0"]
  with pytest.raises(ConfigError, match="^model.learned_carry: "):
    build("one_to_many", learned_carry=True)
