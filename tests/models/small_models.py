"""Small models, their inputs, and what is done with both."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research import models
from rnn_research.config import ModelConfig
from rnn_research.norms import scaled_norm
from rnn_research.problem import Batch, Problem
from rnn_research.unroll import Measure, unroll

TIME, BATCH, INPUTS, HIDDEN, OUTPUTS = 6, 4, 3, 5, 3
LENGTHS = (6, 4, 1, 0)
TINY = 1e-12


def _inside(event):
  return {"state": scaled_norm(event.adjoint.hidden)}


def _after(stacked):
  return {"projection": scaled_norm(stacked.projection, 2)}


MEASURE = Measure(_inside, _after)

run_cell = jax.jit(unroll, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def initialise(model, key, batch):
  return model.init(key, batch)["params"]


@functools.partial(jax.jit, static_argnames=("model", "train"))
def apply(model, params, batch, train, rngs):
  return model.apply({"params": params}, batch, train=train, rngs=rngs)


def build(form="many_to_one", measure=None, loss="cross_entropy", **options):
  config = ModelConfig(**{"hidden": HIDDEN} | options)
  problem = Problem("test", form, TIME, INPUTS, OUTPUTS, loss, 0.0, 1.0, 1.0)
  return models.build(config, problem, measure)


def make_batch(seed=0, batch=BATCH, lengths=None):
  """Normal inputs, NaN on padding, and whatever any form reads."""
  rng = np.random.default_rng(seed)
  inputs = rng.normal(size=(TIME, batch, INPUTS))
  if lengths is not None:
    inputs[np.arange(TIME)[:, None] >= np.array(lengths)] = np.nan
    lengths = jnp.array(lengths)
  return Batch(
    inputs=jnp.array(inputs),
    targets=jnp.zeros(batch),
    weights=jnp.ones(batch),
    lengths=lengths,
    context=jnp.array(rng.normal(size=(batch, 2))),
    decoder_inputs=jnp.array(rng.integers(0, OUTPUTS, (TIME, batch))),
  )


def alone(batch, example):
  """One example without its padding."""
  inputs = batch.inputs[: LENGTHS[example], example : example + 1]
  return batch._replace(inputs=inputs, lengths=None)


def random_params(model, batch):
  """Drawn parameters, shaken so that no bias or scale is trivial."""
  params = initialise(model, jax.random.key(1), batch)
  rng = np.random.default_rng(1)

  def shake(leaf):
    return jnp.array(np.asarray(leaf) + 0.1 * rng.normal(size=leaf.shape))

  return jax.tree.map(shake, params)


def run(model, params, batch, train=False, rngs=None):
  """The outputs of a model."""
  return np.asarray(apply(model, params, batch, train, rngs))


def run_layer(layer, params, batch):
  apply = jax.jit(layer.apply)
  return apply({"params": params}, batch.inputs, lengths=batch.lengths)


def run_again(trace):
  return np.asarray(jax.jit(lambda trace: trace.run()[1])(trace))


def streams(key):
  dropout, noise = jax.random.split(key)
  return {"dropout": dropout, "noise": noise}


def affine(params, value):
  kernel, bias = np.asarray(params["kernel"]), np.asarray(params["bias"])
  return np.asarray(value) @ kernel + bias


def close(got, wanted, tolerance=TINY):
  pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
  for g, w in pairs:
    g, w = np.asarray(g), np.asarray(w)
    bound = tolerance * max(1.0, np.abs(w).max(initial=0))
    np.testing.assert_allclose(g, w, rtol=0, atol=bound, strict=True)
