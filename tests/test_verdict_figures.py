"""The figures of a verdict, drawn from records that are written by formula."""

import json

import numpy as np
import pytest

from rnn_research.report.verdict import gates, time_steps, truncation
from rnn_research.report.verdict.records import read_diagnosis
from tests.fake_study import ARMS, EVENTS, EVERY, SEEDS, SHIFTS, STEPS, TIME, write_run

LAGS = np.arange(TIME)
GATES = {"forget": (0.02, 0.5), "candidate": (0.1, 0.2)}
SCALES = np.array([2.0, 3.0, 50.0, np.inf])


def cosines(step):
  """(seeds, lags), from nothing kept to all; the median seed lies in the middle."""
  reach = 4 if step == 0 else 12
  curve = np.minimum(LAGS / reach, 1.0)
  curve = np.where(LAGS == 0, np.nan, curve)
  return curve + 1e-6 * SHIFTS[:, None]


def coherences(step):
  """One decade a lag down, and below zero at the last."""
  curve = 10.0 ** -(LAGS / 10) * (1 + step)
  return np.tile(np.where(LAGS == TIME - 1, -1e-3, curve), (SEEDS, 1))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
  folder = write_run(tmp_path_factory.mktemp("figures") / "run", ARMS[0])
  (folder / "arrays" / "diagnosis").mkdir()
  for step in (0, STEPS):
    np.savez(
      folder / "arrays" / "diagnosis" / f"{step:08d}.npz",
      cosine=cosines(step),
      truncation_error=1 - np.nan_to_num(cosines(step)),
      coherence=coherences(step),
      standard_error=np.full((SEEDS, TIME), 2e-3),
      time_scale=np.tile(SCALES * (1 + step), (SEEDS, 1)),
    )
  for file in (folder / "arrays" / "adjoint").glob("*.npz"):
    with np.load(file) as arrays:
      values = dict(arrays)
    key = "layer_0/weights/hidden/log10_median"
    values[key] = values["layer_0/log10_median"] - 2
    np.savez(file, **values)
  metrics = folder / "metrics.jsonl"
  rows = [json.loads(line) for line in metrics.read_text().splitlines()]
  for row in rows[1:]:
    for gate, shares in GATES.items():
      for end, share in zip(("low", "high"), shares, strict=True):
        value = share * row["step"] / STEPS
        row[f"saturation/layer_0/{gate}/{end}"] = [value] * SEEDS
  metrics.write_text("\n".join(map(json.dumps, rows)) + "\n")
  return read_diagnosis(folder)


def lines(axes):
  return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize(
  "cosine, steps",
  [
    ([np.nan, 0.5, 0.95, 0.8, 0.92, np.nan], 4),
    ([np.nan, 0.95, 0.99, 1.0], 1),
    # Short of all steps it never is: with all of them it is the whole gradient.
    ([np.nan, 0.5, 0.6], 3),
    ([np.nan, np.nan], np.nan),
  ],
)
def test_a_direction_is_kept_from_the_last_time_it_was_lost_on(cosine, steps):
  np.testing.assert_equal(truncation.needed(np.array(cosine)), steps)


def test_truncation_shows_both_ends_and_says_how_far_back(found):
  picture = truncation.draw(found)
  left, right = picture.figure.axes
  for step, when in ((0, "before training"), (STEPS, "at the end")):
    drawn = lines(left)
    wanted = np.median(cosines(step), axis=0)
    np.testing.assert_allclose(drawn[f"cosine, {when}"].get_ydata(), wanted)
    lost = 1 - np.nan_to_num(wanted)
    np.testing.assert_allclose(drawn[f"error, {when}"].get_ydata(), lost, atol=1e-6)
    # What isn't above zero has no place on the axis, and no other one either.
    shown = lines(right)[when].get_ydata()
    np.testing.assert_allclose(shown[:-1], coherences(step)[0][:-1])
    assert np.isnan(shown[-1])
  assert lines(right)["standard error"].get_ydata()[0] == 2e-3
  # A cosine of 0.9: of 4 steps at the fourth, of 12 at the eleventh.
  assert "sent back 4 steps before training, 11 at the end" in picture.title


def test_gates_are_the_shares_that_were_logged(found):
  picture = gates.draw(found)
  left, right = picture.figure.axes
  drawn = lines(left)
  for gate, shares in GATES.items():
    for end, share in zip(("low", "high"), shares, strict=True):
      line = drawn[f"{gate}, {end}"]
      np.testing.assert_array_equal(
        line.get_xdata(), np.arange(EVERY, STEPS + 1, EVERY)
      )
      wanted = 100 * share * line.get_xdata() / STEPS
      np.testing.assert_allclose(line.get_ydata(), wanted)
  assert "forget 52% and candidate 30%" in picture.title
  ends = lines(right)
  first = ends["before training"].get_ydata()
  # Every seed's units side by side; what keeps for ever stands at the top.
  wanted = np.minimum(np.repeat(SCALES, SEEDS), gates.LONGEST)
  np.testing.assert_allclose(first, wanted)
  places = ends["before training"].get_xdata()
  np.testing.assert_allclose(places, (np.arange(4 * SEEDS) + 0.5) / (4 * SEEDS))


def test_time_steps_are_those_of_a_few_moments(found):
  picture = time_steps.draw(found)
  left, right = picture.figure.axes
  stored = found.run.adjoint
  chosen = time_steps.moments(len(stored.steps))
  assert chosen[0] == 0 and chosen[-1] == len(stored.steps) - 1
  drawn, shares = lines(left), lines(right)
  for index in chosen:
    name = f"step {stored.steps[index]:,}"
    wanted = np.median(stored.values["layer_0/log10_median"][index], axis=0)
    np.testing.assert_allclose(drawn[name].get_ydata(), wanted)
    np.testing.assert_allclose(shares[name].get_ydata(), wanted - 2)
  marks = [line.get_xdata()[0] for line in left.lines if len(line.get_xdata()) == 2]
  # Steps are counted from 1 on the axis.
  assert marks == [event + 1 for event in EVENTS]


def test_what_was_not_recorded_is_not_drawn(tmp_path):
  bare = read_diagnosis(write_run(tmp_path / "run", ARMS[0]))
  assert truncation.draw(bare) is None and gates.draw(bare) is None
  assert len(time_steps.draw(bare).figure.axes) == 1
