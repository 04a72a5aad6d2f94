"""The page says what the records say: numbers, outcomes, episodes, faults."""

import html
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys

import fake_study
import numpy as np
import pytest

from rnn_research import errors, report
from rnn_research.report import comparisons, statistics, wording
from rnn_research.report.figures import dose_response, learning_curves
from rnn_research.report.gains import first_event_gain
from rnn_research.report.outcomes import outcome
from rnn_research.report.selection import headline_arms
from rnn_research.report.study import read_study
from rnn_research.report.tables import episodes


def text_of(page):
  """The words of a page, without its drawings."""
  source = page.read_text(encoding="utf-8")
  source = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", source, flags=re.S)
  return " ".join(html.unescape(re.sub(r"<[^>]+>", "", source)).split())


@pytest.fixture(scope="module")
def study_path(tmp_path_factory):
  """A complete study with its page."""
  path = fake_study.write_study(tmp_path_factory.mktemp("study") / "study")
  report.write(path)
  return path


@pytest.fixture(scope="module")
def page(study_path):
  return text_of(study_path / "report.html")


def test_gains_read_from_the_records_are_the_formula(study_path):
  study = read_study(study_path)
  for truth in fake_study.ARMS[:5]:
    gain = first_event_gain(study.find(truth.name).run)
    lag = fake_study.LAGS[0]
    assert gain.lag == lag
    np.testing.assert_allclose(gain.start, fake_study.gains(truth, 0, lag))
    last = fake_study.gains(truth, fake_study.STEPS, lag)
    np.testing.assert_allclose(gain.end, last)
    np.testing.assert_allclose(gain.largest, np.maximum(last, gain.start))
  digits = first_event_gain(study.find("digits_gru").run)
  assert (digits.known, digits.lag) == (False, fake_study.TIME - 1)


def test_page_opens_with_the_truth(page):
  rnn, _, opened, gru, lstm = fake_study.ARMS[:5]
  expected = (
    f"At the first event, {fake_study.LAGS[0]} steps back,"
    f" {wording.portion(rnn.gain)} of the gradient is left before training"
    f" in tanh RNN (solved by {rnn.solved} of 4 seeds); with its input scale"
    f" at 0.1 it is {wording.portion(opened.gain)} (solved by"
    f" {opened.solved} of 4 seeds); in GRU, {wording.portion(gru.gain)}"
    f" (solved by {gru.solved} of 4 seeds); in LSTM,"
    f" {wording.portion(lstm.gain)} (solved by {lstm.solved} of 4 seeds)."
  )
  assert expected in page


def test_page_holds_every_arm_with_its_numbers(page):
  shifts = statistics.mean_interval(fake_study.SHIFTS)
  for truth in fake_study.ARMS:
    assert truth.label in page
  for truth in fake_study.ARMS[:5]:
    ends = [wording.number(truth.gain + x) for x in (shifts.low, shifts.high)]
    start = f"{wording.number(truth.gain)}[{ends[0]}, {ends[1]}]"
    assert start in page, truth.label
    low, high = statistics.wilson_interval(truth.solved, 4)
    rates = f"({wording.percent(low)} to {wording.percent(high)})"
    caption = f"{wording.number(truth.gain)}, solved {truth.solved} of 4"
    assert f"{truth.label}: {caption} {rates}" in page


def test_page_compares_digits_with_the_linear_classifier(page):
  errors_ = np.array(fake_study.DIGITS_ERRORS)
  mean, low, high, _ = statistics.mean_interval(1 - errors_)
  ends = [wording.percent(x, 1) for x in (mean, low, high)]
  assert f"GRU on digits{ends[0]}{ends[1]} to {ends[2]}{ends[1]}" in page
  assert "classifier's 95.0%, by their intervals: GRU on digits lies above it" in page


def test_page_counts_episodes(page, study_path):
  assert "2 of 3 episodes in the fault arm and 0 of 3 episodes in" in page
  assert "gravest of" in page and "cos(update, -g)" in page
  drawn = episodes.draw(read_study(study_path))
  fates = re.findall(r"<td>(unrecovered|cut|late|recovered)</td>", drawn)
  assert fates == sorted(fates, key=episodes.GRAVE.index) and len(set(fates)) > 1
  table = (study_path / "report.html").read_text().split("Table 3.")[1]
  row = table.split("LSTM, no clipping")[1].split("</tr>")[0]
  cells = re.findall(r"<td>(.*?)</td>", row)
  expected = ["3", "1", "0", "<b class='alarm'>2</b>", "0", "2 of 4", "1"]
  assert cells[1:] == expected


def test_page_declares_its_protocol_and_limits(page, study_path):
  protocol = json.loads((study_path / "protocol.json").read_text())
  assert f"{protocol['sha256']} (matches the protocol as it stands)" in page
  assert page.count("What this does not show:") == 7
  assert page.count("Reproduce this figure") == 7
  assert "python -m experiments.train rnn_1" in page
  assert "7 of 7 runs finished" in page
  # 7 runs of 30 s
  assert wording.duration(210.0) in page
  for number in range(1, 7):
    assert f"Figure {number}." in page
  assert "will not learn" not in page


def test_page_computes_the_declared_comparisons(page, study_path):
  first, _ = comparisons.compare(read_study(study_path))
  # given 5 solved of 8, two tables are as extreme: 4+1 and 1+4
  expected = 2 * math.comb(4, 4) * math.comb(4, 1) / math.comb(8, 5)
  assert first.p == pytest.approx(expected)
  assert first.adjusted == pytest.approx(2 * expected)
  assert "solved 4 of 4 against 1 of 4: difference 75%" in page


def test_a_comparison_that_is_missing_counts_in_the_family(study_path):
  """Its run may come yet, and no p may grow by that."""
  study = read_study(study_path)
  first, second = study.protocol["comparisons"]
  missing = second | {"arms": [second["arms"][0], "nobody"]}
  protocol = study.protocol | {"comparisons": [first, missing]}
  found, without = comparisons.compare(study._replace(protocol=protocol))
  assert np.isnan(without.p) and np.isnan(without.adjusted)
  assert found.adjusted == pytest.approx(min(1, 2 * found.p))


def test_page_is_self_contained_and_its_text_is_text(study_path):
  source = (study_path / "report.html").read_text()
  links = re.findall(r"(?:src|href)=[\"']([^\"']*)", source)
  assert links and all(link.startswith(("#", "data:")) for link in links)
  assert "<script" not in source and "@import" not in source
  assert source.count("<svg role") == 7
  assert ">log10 gain at the first event, before training</text>" in source
  ids = re.findall(r'\bid="([^"]+)"', source)
  assert len(ids) == len(set(ids))
  references = re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", source)
  assert {a or b for a, b in references} <= set(ids)


def test_sentence_on_gru_and_rnn_follows_the_data(tmp_path):
  # the GRU starts with the larger gain here, and solves less often
  arms = [
    fake_study.ARMS[0]._replace(solved=4),
    fake_study.ARMS[3]._replace(rate=0.1, solved=1),
  ]
  study = read_study(fake_study.write_study(tmp_path / "study", tuple(arms)))
  results = {arm.name: outcome(arm.run, 0.01) for arm in study.arms}
  (sentence,) = dose_response.contrast(list(study.arms), results)
  assert "larger gain" in sentence and "no more often (1 of 4" in sentence
  assert "−1.70 against −5.10" in sentence


def test_headline_shows_a_default_per_cell_and_the_best_of_the_knob(study_path):
  shown = headline_arms(read_study(study_path))
  assert [arm.name for arm in shown] == ["rnn_1", "rnn_01", "gru", "lstm"]


def test_knobs_only_measured_are_not_counted_as_unsolved(tmp_path, monkeypatch):
  monkeypatch.setattr(report.page, "save", lambda picture, folder: "<svg></svg>")
  measured = fake_study.Truth(
    "start", "GRU, chrono", "initialisation", "gru", 0.05, 0, "chrono", 60.0
  )
  arms = (*fake_study.ARMS[3:5], measured)
  page = text_of(report.write(fake_study.write_study(tmp_path / "study", arms)))
  table = page.split("untested by training")[1].split("Figure 3.")[0]
  gain = f"{wording.number(measured.gain)} ({wording.portion(measured.gain)})"
  assert "GRU, chrono" in table and gain in table and "passes" in table
  assert "GRU, chrono: " not in page


def test_broken_and_missing_runs_are_named_on_the_page(tmp_path, monkeypatch):
  # other tests render; this one is about words
  monkeypatch.setattr(report.page, "save", lambda picture, folder: "<svg></svg>")
  path = fake_study.write_study(tmp_path / "study")
  runs = path / "runs"
  (runs / "gru").rename(tmp_path / "gone")
  (runs / "lstm" / "status.json").write_text('{"state": "runn')
  with (runs / "rnn_1" / "metrics.jsonl").open("a") as file:
    file.write('{"step": 420, "eval/er')
  (runs / "rnn_03" / "arrays" / "lag" / "00000000.npz").write_bytes(b"PK")
  for part in ("arrays/ledger", "arrays/adjoint"):
    for file in (runs / "fault" / part).iterdir():
      file.unlink()
  status = json.loads((runs / "rnn_01" / "status.json").read_text())
  status |= {"state": "running", "step": 120, "final": None}
  (runs / "rnn_01" / "status.json").write_text(json.dumps(status))
  protocol = json.loads((path / "protocol.json").read_text())
  protocol["seeds"] = 5
  (path / "protocol.json").write_text(json.dumps(protocol))
  page = text_of(report.write(path))
  assert "gru: no run directory" in page
  assert "lstm: status.json is not readable JSON" in page
  assert "rnn_1: metrics.jsonl line 22 is not a row" in page
  assert "rnn_03: lag/00000000.npz is not a readable array file" in page
  assert "rnn_01: running at step 400" in page
  assert "4 of 7 runs finished" in page
  assert "does not match the protocol as it stands" in page
  assert "not computed: a run is missing" in page
  assert "not computed: a run is not finished" in page


def test_a_study_without_any_run_gives_a_page(tmp_path):
  path = fake_study.write_study(tmp_path / "study")
  (path / "runs").rename(tmp_path / "gone")
  page = text_of(report.write(path))
  assert "0 of 7 runs finished, none with a gain" in page


def test_a_run_without_a_single_finite_value_gives_a_page(tmp_path):
  path = fake_study.write_study(tmp_path / "study", fake_study.ARMS[4:6])
  metrics = path / "runs" / "lstm" / "metrics.jsonl"
  rows = [json.loads(line) for line in metrics.read_text().splitlines()]
  broken = [
    {k: [None] * 4 if isinstance(v, list) else v for k, v in row.items()}
    for row in rows
  ]
  metrics.write_text("\n".join(json.dumps(row) for row in broken))
  for file in (path / "runs" / "lstm" / "arrays").rglob("*.npz"):
    with np.load(file) as arrays:
      values = {name: arrays[name] for name in arrays.files}
    for name in values.keys() - {"step"}:
      lost = True if name == "layer_0/nonfinite" else np.nan
      values[name] = np.full(values[name].shape, lost)
    np.savez(file, **values)
  page = text_of(report.write(path))
  # the divergence of each of the four seeds is an episode that never ends
  assert "LSTM: 4 episodes in 4 seeds, 0 recovered late and 4 never" in page


def test_one_run_is_a_study_of_one_arm(tmp_path):
  run = fake_study.write_run(tmp_path / "one", fake_study.ARMS[4])
  page = text_of(report.write(run))
  gain = wording.number(fake_study.ARMS[4].gain)
  assert "Run one" in page and f"log10 gain {gain} before training" in page
  assert (run / "figures" / "lag_curves.pdf").stat().st_size > 1000
  # the same records give the same bytes
  names = ("report.html", "figures/opening.svg", "figures/heat_maps.pdf")
  before = [(run / name).read_bytes() for name in names]
  report.write(run)
  assert [(run / name).read_bytes() for name in names] == before
  # a dose-response needs more than one arm
  assert not (run / "figures" / "dose_response.svg").exists()


def test_dose_response_leaves_out_what_it_cannot_tell_apart(tmp_path):
  """Arms of one cell without a knob have markers alike: the first stands for them.

  Where the cell has arms with a knob, none does.
  """
  gru = fake_study.ARMS[3]
  alike = tuple(gru._replace(name=f"gru_{n}", solved=n) for n in range(3))
  study = read_study(fake_study.write_study(tmp_path / "alike", alike))
  assert dose_response.draw(study) is None
  unnamed = fake_study.ARMS[0]._replace(name="rnn_norm", knob=None, value=None)
  others = (*alike, unnamed, *fake_study.ARMS[:2])
  study = read_study(fake_study.write_study(tmp_path / "others", others))
  shown = [arm.name for arm in dose_response.draw(study).arms]
  assert shown == ["gru_0", "rnn_1", "rnn_03"]


def test_learning_curves_that_look_alike_have_a_panel_each(tmp_path):
  gru = fake_study.ARMS[3]
  alike = [gru._replace(name=f"gru_{n}", label=f"way {n}") for n in range(5)]
  for arms, panels in ((alike[:3], 1), (alike, 5), (fake_study.ARMS[:5], 1)):
    path = fake_study.write_study(tmp_path / f"{arms[-1].name}", tuple(arms))
    axes = learning_curves.draw(read_study(path)).figure.axes
    assert len([one for one in axes if one.get_visible()]) == panels


def test_a_directory_that_is_neither_is_a_user_error(tmp_path):
  with pytest.raises(errors.WorkdirError, match="neither protocol.json nor"):
    report.write(tmp_path)


def test_the_main_writes_the_page_without_importing_jax(tmp_path):
  path = fake_study.write_run(tmp_path / "one", fake_study.ARMS[4])
  shutil.rmtree(path / "arrays")
  code = (
    "import atexit, runpy, sys\n"
    f"sys.argv = ['report', '--study={path}']\n"
    "atexit.register(lambda: print('jax' in sys.modules))\n"
    "runpy.run_module('experiments.report', run_name='__main__')"
  )
  root = pathlib.Path(__file__).parents[1]
  done = subprocess.run(
    [sys.executable, "-W", "error", "-c", code],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.split() == [f"{path}/report.html", "False"]
