"""The benchmark of overhead: what is made of its times, and what its programs do."""

import jax
import numpy as np
import pytest

from benchmarks.overhead_programs import (
  BARE,
  EXPONENTS,
  GRADIENT,
  INSPECTION,
  LOGGED,
  READINGS,
  bare_step,
  first_state,
  make_run,
)
from benchmarks.overhead_rows import make_rows, table
from rnn_research.diagnostics.logged import logged_measure
from rnn_research.training.start import start
from rnn_research.training.step import logged_step, plain_step
from tests.small_run import make_config

ROUNDS = np.array([1.0, 4.0, 2.0])  # a machine that drifts


def test_rows_of_made_up_times():
  times = {
    BARE: list(10 * ROUNDS),  # a dispatch of ten steps
    LOGGED: list(10.5 * ROUNDS),
    INSPECTION: list(5 * ROUNDS),  # one look, as long as five steps
  }
  bare, logged, inspection = make_rows(times, every=50, steps=10)
  assert (bare["ratio"], bare["share"], bare["milliseconds"]) == (1.0, 0.0, 2000.0)
  assert logged["ratio"] == pytest.approx(1.05)
  assert logged["share"] == pytest.approx(0.05)
  # Drift hits both alike, so there is nothing left of it in the interval.
  assert logged["ratio_low"] == pytest.approx(logged["ratio_high"])
  assert inspection["ratio"] == pytest.approx(5.0)
  assert inspection["share"] == pytest.approx(0.1)
  lines = table([{"cell": "gru"} | row for row in (bare, logged, inspection)])
  assert "| gru | logged | 2100.000 | 1.050 (1.050-1.050) | 5.0% |" in lines


def test_the_bare_step_is_the_step(tmp_path):
  """It leaves out what is told, and nothing of what is done."""
  run = start(make_config({"seeds": 1}), str(tmp_path))
  state = first_state(run)

  def after(step):
    return jax.jit(lambda s: step(run.program, s, None)[0])(state).params

  bare = jax.tree.leaves(after(bare_step))
  for step in (plain_step, logged_step):
    for found, wanted in zip(jax.tree.leaves(after(step)), bare, strict=True):
      np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_a_run_reads_what_its_variant_is_named_for(tmp_path):
  for name, reading in READINGS.items():
    run = make_run("rnn", 4, 12, reading, tmp_path / name)
    assert logged_measure(reading) is not None
    asked = run.config.diagnostics
    assert (asked.adjoint, asked.saturation, asked.weights) == reading[:3]


def test_exponents_are_set_against_a_gradient():
  times = {
    BARE: list(10 * ROUNDS),
    GRADIENT: list(8 * ROUNDS),  # a dispatch of ten
    EXPONENTS: list(0.4 * ROUNDS),  # half a gradient
  }
  *_, exponents = make_rows(times, every=50, steps=10)
  assert exponents["ratio"] == pytest.approx(0.5)
  assert exponents["share"] == pytest.approx(0.01)
