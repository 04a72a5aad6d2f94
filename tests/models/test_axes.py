"""Examples and seeds do not see each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import models
from tests.models.small_models import (
  LENGTHS,
  MEASURE,
  build,
  close,
  initialise,
  make_batch,
  random_params,
  run,
  streams,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


@pytest.mark.parametrize("form", models.MODELS)
def test_examples_do_not_see_each_other(form):
  order = np.array([2, 0, 3, 1])
  model = build(form, layers=2, layer_norm=True)
  batch = make_batch(lengths=LENGTHS)
  params = random_params(model, batch)
  moved = batch._replace(
    inputs=batch.inputs[:, order],
    lengths=batch.lengths[order],
    context=batch.context[order],
    decoder_inputs=batch.decoder_inputs[:, order],
  )
  axis = 0 if form == "many_to_one" else 1
  wanted = np.take(run(model, params, batch), order, axis)
  close(run(model, params, moved), wanted)


def test_seeds_in_one_program_equal_seeds_alone():
  model = build(
    measure=MEASURE, cell="rnn", layers=2, dropout=0.5, wrappers=("zoneout:0.1",)
  )
  batches = [make_batch(seed, lengths=LENGTHS) for seed in (0, 1)]
  keys = jax.random.split(jax.random.key(0), 2)

  def stack(first, second):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), first, second)

  batch = stack(*batches)
  params = [initialise(model, key, batches[0]) for key in keys]
  start = jax.vmap(lambda key, batch: model.init(key, batch)["params"])
  close(jax.jit(start)(keys, batch), stack(*params))

  def gradients(given):
    key, params, batch = given
    taps = models.make_taps(model, params, batch)

    def loss(params, taps):
      variables = {"params": params, "taps": taps}
      outputs = model.apply(variables, batch, train=True, rngs=streams(key))
      return jnp.square(outputs).sum()

    return jax.grad(loss, argnums=(0, 1))(params, taps)

  single = jax.jit(gradients)
  wanted = stack(*(single(given) for given in zip(keys, params, batches, strict=True)))
  mesh = jax.make_mesh((2,), ("seed",), axis_types=(jax.sharding.AxisType.Auto,))
  along, mapped = jax.P("seed"), functools.partial(jax.lax.map, gradients)
  sharded = jax.shard_map(mapped, mesh=mesh, in_specs=along, out_specs=along)
  for over_seeds in (mapped, jax.vmap(gradients), sharded):
    close(jax.jit(over_seeds)((keys, stack(*params), batch)), wanted)
