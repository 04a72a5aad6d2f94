"""From a config to a model, and to the names of its parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research import models
from rnn_research.cells import (
  GRU,
  LSTM,
  Elman,
  Initial,
  Residual,
  TimeResidual,
  TimeSkip,
  Variational,
  Zoneout,
)
from rnn_research.config import CellOptions, InitConfig, ModelConfig
from rnn_research.errors import ConfigError
from tests.models.small_models import (
  HIDDEN,
  LENGTHS,
  MEASURE,
  build,
  close,
  make_batch,
  random_params,
)

pytestmark = pytest.mark.usefixtures("float64", "quickly")


def test_models_that_differ_in_their_start_alone_are_one_static_argument():
  first, second = build(), build(init=InitConfig(gain=3.0))
  assert first == second and hash(first) == hash(second)
  assert first != build(hidden=HIDDEN + 1)
  for layer in (models.Recurrent, models.Bidirectional, models.Stacked):
    same = [layer(GRU(), HIDDEN, initial=Initial(gain=gain)) for gain in (1.0, 3.0)]
    assert len(set(same)) == 1
  batch = make_batch()
  starts = [jax.jit(m.init)(jax.random.key(0), batch) for m in (first, second)]
  kernels = [s["params"]["layer_0"]["cell"]["hidden"]["kernel"] for s in starts]
  close(3 * kernels[0], kernels[1])
  traced = []

  @functools.partial(jax.jit, static_argnums=0)
  def apply(model, variables, batch):
    traced.append(model)
    return model.apply(variables, batch)

  outputs = [apply(*pair, batch) for pair in zip((first, second), starts, strict=True)]
  assert len(traced) == 1
  assert np.abs(outputs[0] - outputs[1]).max() > 0.01


@pytest.mark.parametrize(
  "form, options, paths",
  [
    ("many_to_one", {}, ["layer_0/cell/"]),
    (
      "many_to_many",
      {"bidirectional": True, "layers": 2, "layer_norm": True},
      [
        *(f"layer_{n}/{d}/cell/" for n in range(2) for d in ("forward", "backward")),
        "norm_1/scale",
        "norm_1/bias",
      ],
    ),
    (
      "one_to_many",
      {},
      [
        "layer_0/cell/",
        "condition/layer_0_hidden/kernel",
        "condition/layer_0_hidden/bias",
      ],
    ),
    (
      "encoder_decoder",
      {},
      ["encoder/layer_0/cell/", "decoder/layer_0/cell/", "embed/embedding"],
    ),
  ],
)
def test_parameters_have_the_promised_paths(form, options, paths):
  model = build(form, MEASURE, cell="rnn", **options)
  variables = jax.jit(model.init)(jax.random.key(0), make_batch())
  assert list(variables) == ["params"]
  leaves, _ = jax.tree_util.tree_flatten_with_path(variables["params"])
  found = {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf
    for path, leaf in leaves
  }
  wanted = {"head/kernel", "head/bias"}
  for path in paths:
    ends = ("input/kernel", "input/bias", "hidden/kernel")
    wanted |= {path + end for end in ends} if path.endswith("/") else {path}
  assert set(found) == wanted
  np.testing.assert_array_equal(found["head/bias"], 0)
  assert {leaf.dtype for leaf in found.values()} == {np.dtype("float64")}


def test_the_config_chooses_cell_wrappers_and_start():
  config = ModelConfig(
    cell="lstm",
    cell_options=CellOptions(peepholes=True, projection=2),
    wrappers=("zoneout:0.25", "residual"),
    init=InitConfig(recurrent="gaussian", forget_bias=2.0),
  )
  cell = Residual(Zoneout(LSTM(peepholes=True, projection=2), 0.25))
  assert models.make_cell(config) == cell
  initial = Initial(recurrent="gaussian", forget_bias=2.0)
  assert models.make_initial(config.init) == initial
  model = build(**vars(config))
  assert (model.stacked.cell, model.stacked.initial) == (cell, initial)


def test_the_config_says_how_wrappers_act_on_time():
  config = ModelConfig(
    cell="rnn",
    cell_options=CellOptions(layer_norm=True),
    wrappers=("time_residual", "variational:0.25", "time_skip:3"),
  )
  inner = Variational(TimeResidual(Elman(layer_norm=True)), 0.25)
  assert models.make_cell(config) == TimeSkip(inner, 3)


def test_parts_that_do_not_go_together_are_refused():
  for form in ("one_to_many", "encoder_decoder"):
    with pytest.raises(ConfigError, match="^model.bidirectional: "):
      build(form, bidirectional=True)
  with pytest.raises(ConfigError, match="^model.adjoint: "):
    build(measure=MEASURE, adjoint="autodiff")


def test_autodiff_is_an_oracle_of_the_whole_model():
  options = {"layers": 2, "bidirectional": True, "cell": "lstm"}
  batch = make_batch(lengths=LENGTHS)
  fused, autodiff = build(**options), build(adjoint="autodiff", **options)
  params = random_params(fused, batch)

  def loss(params, model):
    return jnp.square(model.apply({"params": params}, batch)).sum()

  gradient = jax.jit(jax.grad(loss), static_argnums=1)
  close(gradient(params, fused), gradient(params, autodiff))
  segmented = build(segment_levels=1, **options)
  assert "remat" in str(jax.make_jaxpr(loss, static_argnums=1)(params, segmented))
  close(gradient(params, fused), gradient(params, segmented))
