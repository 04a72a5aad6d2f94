"""What an inspection records of sup, path and horizon, against the functions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.diagnostics import event_lags, path_gain, sup_gain
from rnn_research.models import make_traces
from rnn_research.training.inspection import (
  SUP_EXAMPLES,
  compile_inspect,
  inspection_batch,
  sup_events,
)
from rnn_research.training.rows import lag_arrays, lag_row
from rnn_research.training.start import start
from tests.small_run import initial_state, make_config

EXAMPLES = 10


def inspected(folder):
  """The curves of two seeds, and the parameters and sequences they are of."""
  config = make_config({"seeds": 2, "model.cell": "gru", "train.steps": 0})
  run = start(config, folder)
  params = initial_state(run).params
  batch = inspection_batch(run.program, EXAMPLES, None)
  curves = compile_inspect(run.program, 2)(params, batch)
  own = jax.tree.map(lambda leaf: leaf[1], params)
  traces = make_traces(run.program.inspected, own, batch)
  return jax.device_get(curves), traces["layer_0"], batch


@pytest.fixture(scope="module")
def found(quick_module, tmp_path_factory):
  return inspected(str(tmp_path_factory.mktemp("inspected")))


def test_sup_is_that_of_the_first_examples_at_two_events_and_the_longest_lag(found):
  """Below the converged value of the same examples, and close."""
  curves, trace, batch = found
  sup = curves["layer_0"].sup
  at = event_lags(trace, batch.events)
  lags = (at[:, 1], at[:, 0], jnp.full((EXAMPLES,), 10))
  converged = jax.jit(lambda t: sup_gain(t, lags, 200, key=jax.random.key(3)))(trace)
  few = np.asarray(converged)[:, :SUP_EXAMPLES] / np.log(10)
  for point, own in enumerate(np.sort(few)):
    for name, index in (("median", round(0.5 * 7)), ("q90", round(0.9 * 7))):
      assert -0.1 < getattr(sup.gain, name)[1, point] - own[index] < 1e-4
  some = np.asarray(lags)[:, :SUP_EXAMPLES]
  np.testing.assert_array_equal(sup.lags[1], np.median(some, axis=1))


def test_the_path_is_that_of_the_losses_own_adjoint(found):
  """No direction keeps more along it than the update gates do."""
  curves, trace, batch = found
  path = curves["layer_0"].path
  assert path.median[1, 0] == 0
  z = jnp.eye(4)[:, None].repeat(EXAMPLES, 1)
  each = np.stack([jax.jit(path_gain)(trace, unit) for unit in z]) / np.log(10)
  # D is diagonal: the path of any direction lies between those of the units.
  for name, index in (("q10", round(0.1 * 9)), ("q90", round(0.9 * 9))):
    low, high = np.sort(each.min(0))[:, index], np.sort(each.max(0))[:, index]
    assert (low - 1e-4 < getattr(path, name)[1]).all()
    assert (getattr(path, name)[1] < high + 1e-4).all()
  lags = np.asarray(event_lags(trace, batch.events))
  at = curves["layer_0"].path_at_events.median[1]
  assert path.median[1, lags.max(0)].min() - 0.5 < at.min()
  assert at.max() < path.median[1, lags.min(0)].max() + 0.5


def test_rows_and_arrays_are_named_by_what_they_are(found):
  curves, _, _ = found
  row, arrays = lag_row(curves), lag_arrays(curves)
  own = curves["layer_0"]
  for kind in ("loss", "rms", "path"):
    curve = getattr(own, kind)
    np.testing.assert_array_equal(row[f"lag/layer_0/{kind}/log10"], curve.median[:, 10])
    np.testing.assert_array_equal(arrays[f"layer_0/{kind}_q10"], curve.q10)
    wanted = getattr(own, f"{kind}_at_events").median
    for event in range(2):
      name = f"lag/layer_0/{kind}/event_{event}"
      np.testing.assert_array_equal(row[name], wanted[:, event])
  for point, name in enumerate(("event_1", "event_0", "log10")):
    gain = own.sup.gain.median[:, point]
    np.testing.assert_array_equal(row[f"lag/layer_0/sup/{name}"], gain)
  np.testing.assert_array_equal(arrays["layer_0/sup_q90"], own.sup.gain.q90)
  np.testing.assert_array_equal(arrays["layer_0/sup_lags"], own.sup.lags)


def test_the_horizon_is_the_median_loss_curves(found):
  """Of two seeds with curves made by hand: one ends at lag 3, one doesn't end."""
  curves, _, _ = found
  lags = np.arange(11.0)
  median = np.stack([-1.25 * lags, -0.1 * lags])
  median[0, 7] = -np.inf
  own = curves["layer_0"]
  row = lag_row({"a": own._replace(loss=own.loss._replace(median=median))})
  np.testing.assert_array_equal(row["lag/a/loss/horizon"], [3, np.nan])
  np.testing.assert_array_equal(row["lag/a/loss/horizon_censored"], [0, 1])
  np.testing.assert_array_equal(row["lag/a/loss/largest"], [0, 0])


def test_sup_events():
  assert [sup_events(n) for n in (0, 1, 2, 10)] == [(), (0,), (1, 0), (9, 0)]
