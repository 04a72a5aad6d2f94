"""What the verdict page says of hand-made records."""

import json

import numpy as np
import pytest

from rnn_research.report import wording
from rnn_research.report.verdict import seeds, starts, timeline
from rnn_research.report.verdict.records import read_diagnosis
from rnn_research.report.verdict.sentences import sentences
from tests.fake_study import ARMS, write_run

TOPICS = ["Outcome", "Gain", "Coherence", "Memory", "Episodes", "What to try"]


@pytest.mark.parametrize(
  "gain, word",
  [
    ([-4.0, -4.2, -3.9], "fades"),
    ([-4.0, -2.0, -3.9], "undetermined"),
    ([-1.0, 0.2, 1.0], "passes"),
    ([3.9, 4.0, 4.2], "blows up"),
    # One seed has no interval, however small its gain is.
    ([-9.0], "undetermined"),
    ([-9.0, np.nan, np.nan], "undetermined"),
  ],
)
def test_the_word_is_that_of_the_interval(tmp_path, gain, word):
  found = read_diagnosis(write_run(tmp_path / "run", ARMS[0]))
  assert found.word(np.array(gain)) == word


def test_sentences_have_the_numbers_of_the_records(tmp_path):
  # The gain of the first event, lag 17: -0.3 x 17 before training, -0.02 x 17 after.
  folder = write_run(tmp_path / "run", ARMS[0])
  entry = {
    "gain": [-5.25, -5.15, -5.05, -4.95],
    "signal": {"share": [0.2] * 4, "error": [0.01] * 4, "gradient": [1] * 4},
    "coherence": {"coherence": [3e-3, 5e-3] * 2, "standard_error": [5e-4] * 4},
    "memory": {"follows": [0.25] * 4, "stays": [0.25] * 4},
  }
  last = {
    "gain": [-0.49, -0.39, -0.29, -0.19],
    "signal": {"share": [0.01] * 4, "error": [0.02] * 4, "gradient": [1] * 4},
    "memory": {"follows": [1.0, 1.0, 1.0, 0.6], "stays": [0.0, 0.0, 0.0, 0.2]},
  }
  others = [
    {"knob": "input scale", "value": 0.1, "setting": "--a=1", "gain": [-0.02, 0.02]},
    {"knob": "input scale", "value": 0.3, "setting": "--a=3", "gain": [-2.02, -1.98]},
    {"knob": "recurrent gain", "value": 0.9, "setting": "--b=9", "gain": [-7, -7.1]},
  ]
  content = {"initial": entry, "final": last, "tries": others, "parameters": 100}
  (folder / "diagnosis.json").write_text(json.dumps(content))
  found = read_diagnosis(folder)
  said = {topic: text for topic, text, _ in sentences(found)}
  assert list(said) == TOPICS
  assert said["Outcome"].startswith("1 of 4 seeds solved")
  # Means of the four values; the half width is t(0.975, 3) x SD / 2 = 0.21.
  assert said["Gain"].startswith(
    "−5.1 [−5.3, −4.9] before training (fades); −0.3 [−0.5, −0.1] at its largest"
    " (passes); −0.3 [−0.5, −0.1] now (passes)"
  )
  assert "1/2.2 of the gradient is left" in said["Gain"]
  assert said["Coherence"].startswith(
    "4.0 × 10⁻³ ± 5.0 × 10⁻⁴ before training and no value now: how far examples agree"
  )
  assert "0.20 ± 0.01 before training and" in said["Coherence"]
  assert "0.01 ± 0.02 now (not told from noise)" in said["Coherence"]
  assert said["Memory"].startswith("90% of the answers follow")
  assert "lowest seed 60%; 25% before training" in said["Memory"]
  assert said["Episodes"].startswith("1 instability episode in 4 seeds: 1 recovered")
  assert said["What to try"].startswith("2 of 3 other starts put the gain")
  assert said["What to try"].index("--a=1") < said["What to try"].index("--a=3")
  assert "--b" not in said["What to try"]


def test_seeds_with_nothing_left_are_counted_and_their_coherence_is_shown(tmp_path):
  folder = write_run(tmp_path / "run", ARMS[0])
  gains = {"initial": ["-inf", "-inf", -2.0, -2.1], "final": ["-inf"] * 4}
  own = {"coherence": [3e-3, 0.5, -0.02, 0.01], "standard_error": [1e-3] * 4}
  signal = {"share": [0.2] * 4, "error": [0.01] * 4, "gradient": [1] * 4}
  content = {
    end: {"gain": gain, "coherence": own, "signal": signal}
    for end, gain in gains.items()
  }
  tries = [{"knob": "a", "value": 1, "setting": "--a=1", "gain": gains["initial"]}]
  (folder / "diagnosis.json").write_text(json.dumps(content | {"tries": tries}))
  found = read_diagnosis(folder)
  said = {topic: text for topic, text, _ in sentences(found)}
  before = "before training (undetermined; nothing left in 2 of 4 seeds)"
  assert before in said["Gain"]
  assert "now (fades; nothing left in 4 of 4 seeds)" in said["Gain"]
  assert "Now nothing at all is left there." in said["Gain"]
  assert said["What to try"].startswith("0 of 1 other start put")
  cells = seeds.draw(found)
  assert "<td>nothing left</td>" in cells
  for value in own["coherence"]:
    assert f"<td>{wording.small(value)}</td>" in cells
  assert "--a=1: nothing left in 2 of 4 seeds" in "".join(starts.draw(found).caption)
  assert timeline.draw(found) is not None


@pytest.mark.parametrize(
  "mean, noise", [(-0.02, False), (0.02, False), (-0.002, True), (0.002, True)]
)
def test_noise_is_told_by_distance_from_zero_on_either_side(tmp_path, mean, noise):
  found = read_diagnosis(write_run(tmp_path / "run", ARMS[0]))
  own = {"coherence": np.full(4, mean), "coherence_error": np.full(4, 1e-3)}
  found = found._replace(final=found.final._replace(**own))
  said = {topic: text for topic, text, _ in sentences(found)}
  assert ("now (not told from noise)" in said["Coherence"]) == noise


def test_what_was_not_measured_is_said_so(tmp_path):
  found = read_diagnosis(write_run(tmp_path / "run", ARMS[6]))
  said = {topic: text for topic, text, _ in sentences(found)}
  # Held-out errors 2, 3, 3 and 4%; no events, so the longest lag.
  assert said["Outcome"].startswith("97.0% [95.7%, 98.3%] of the held-out examples")
  assert "the longest lag at lag 19, since no step" in said["Gain"]
  for topic in ("Coherence", "Memory", "What to try"):
    assert said[topic].startswith("No number")
  own = {"coherence": np.full(4, 0.1), "coherence_error": np.full(4, 1e-3)}
  found = found._replace(final=found.final._replace(**own))
  said = {topic: text for topic, text, _ in sentences(found)}
  # The step before, which follows the zero state, has no part in the kernel.
  assert "at lag 17, the longest with a state behind it" in said["Coherence"]
