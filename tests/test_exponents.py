"""Exponents as a run records them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import lyapunov_exponents
from rnn_research.diagnostics.theory import mean_field
from rnn_research.models import make_traces
from rnn_research.training.exponents import compile_exponents
from rnn_research.training.random_keys import INSPECTION
from tests.small_run import read_records, saved_state, train

FOLLOWED = {
  "seeds": 2,
  "task.length": 24,
  "train.steps": 4,
  "train.checkpoint_every": 4,
  "diagnostics.lag_every": 0,
  "diagnostics.exponents_every": 4,
  "diagnostics.exponents": 3,
  "diagnostics.exponents_examples": 2,
}


pytestmark = pytest.mark.usefixtures("quick_module")


def test_a_run_records_the_exponents_of_its_own_parameters(tmp_path):
  """Rows and arrays are those of the checkpoint, by the function that it is for."""
  run, records = train(tmp_path, FOLLOWED)
  assert [row["step"] for row in records.rows if "lyapunov/layer_0/0" in row] == [0, 4]
  arrays = records.arrays["exponents/00000004"]
  assert arrays["layer_0/exponents"].shape == (2, 3, 2)
  np.testing.assert_array_equal(arrays["layer_0/size"], [4, 4])
  last = records.rows[-1]
  for index in range(3):
    np.testing.assert_allclose(
      last[f"lyapunov/layer_0/{index}"],
      arrays["layer_0/exponents"][:, index].mean(-1),
      rtol=1e-6,
    )

  state = saved_state(run, 4)
  batch = run.program.task.sample(jax.random.key(INSPECTION), 2)

  @jax.jit
  def measured(params):
    trace = make_traces(run.program.model, params, batch)["layer_0"]
    exponents = lyapunov_exponents(trace, 3, key=jax.random.key(INSPECTION))
    return exponents, *scales(params, trace.xs)

  for seed in range(2):
    exponents, scale, variance = measured(params_of(state, seed))
    np.testing.assert_allclose(
      arrays["layer_0/exponents"][seed], exponents, rtol=1e-4, atol=1e-5
    )
    predicted = mean_field(float(scale), float(variance)).rate
    np.testing.assert_allclose(arrays["layer_0/mean_field"][seed], predicted, rtol=1e-4)

  # Padding is no input.
  padded = batch._replace(lengths=jnp.array([24, 12]))
  stacked = jax.tree.map(
    lambda *leaves: jnp.stack(leaves), params_of(state, 0), params_of(state, 1)
  )
  found = compile_exponents(run.program, 3)(stacked, padded)["layer_0"]
  _, variance = scales(params_of(state, 1), batch.inputs)
  np.testing.assert_allclose(found.exponents[1, :, 0], exponents[:, 0], rtol=1e-4)
  kept = jnp.concatenate([batch.inputs[:, 0], batch.inputs[:12, 1]])
  _, wanted = scales(params_of(state, 1), kept[:, None])
  np.testing.assert_allclose(found.input_variance[1], wanted, rtol=1e-5)
  assert abs(wanted / variance - 1) > 1e-3


def scales(params, xs):
  """Gain of the recurrent weights and mean square of what the input adds."""
  cell = params["layer_0"]["cell"]
  received = xs @ cell["input"]["kernel"] + cell["input"]["bias"][None, None]
  gain = jnp.sqrt(4 * jnp.square(cell["hidden"]["kernel"]).mean())
  return gain, jnp.square(received).mean()


def params_of(state, seed):
  """Nested parameters of one seed, from a checkpoint's leaves by path."""
  nested = {}
  for path, leaf in state.items():
    if path.startswith("params/"):
      *parents, name = path.split("/")[1:]
      holder = nested
      for parent in parents:
        holder = holder.setdefault(parent, {})
      holder[name] = jnp.asarray(leaf[seed])
  return nested


def test_a_state_has_no_more_exponents_than_entries(tmp_path):
  changes = FOLLOWED | {
    "model.cell": "gru",
    "train.steps": 0,
    "diagnostics.exponents": 50,
  }
  run, records = train(tmp_path, changes)
  arrays = records.arrays["exponents/00000000"]
  assert arrays["layer_0/exponents"].shape == (2, 4, 2)
  # No mean field of a gated network here.
  assert set(arrays) == {"layer_0/exponents", "layer_0/size"}
  assert compile_exponents(run.program, 50) is compile_exponents(run.program, 50)


def test_nothing_is_measured_unless_asked_for(tmp_path):
  train(tmp_path, FOLLOWED | {"train.steps": 0, "diagnostics.exponents_every": 0})
  records = read_records(tmp_path)
  assert not any(name.startswith("exponents") for name in records.arrays)
  assert not any("lyapunov" in name for row in records.rows for name in row)
