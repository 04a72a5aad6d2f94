"""The figure of exponents, drawn from records that are written by formula."""

import json

import fake_study
import numpy as np
import pytest

from rnn_research.report.figures import lag_curves, spectrum
from rnn_research.report.study import read_study

SIZE, COUNT, EXAMPLES = 16, 4, 3
LARGEST = {"rnn_1": -0.3, "gru": -0.5, "lstm": -0.1}
MEAN_FIELD, SIGMA_MAX = -0.21, 1.5


def exponents(name, step):
  """(seeds, count, examples); mean over examples is -i/10 below the largest."""
  largest = LARGEST[name] * (1 - step / fake_study.STEPS)
  spread = np.array([-0.05, 0.0, 0.05])
  seeds = largest + fake_study.SHIFTS / 10
  return seeds[:, None, None] - np.arange(COUNT)[None, :, None] / 10 + spread


@pytest.fixture(scope="module")
def study(tmp_path_factory):
  path = fake_study.write_study(tmp_path_factory.mktemp("spectrum") / "study")
  for name in LARGEST:
    run = path / "runs" / name
    folder = run / "arrays" / "exponents"
    folder.mkdir()
    for step in (0, fake_study.STEPS):
      arrays = {
        "layer_0/exponents": exponents(name, step),
        "layer_0/size": np.full(fake_study.SEEDS, SIZE),
      }
      if name == "rnn_1":
        arrays["layer_0/mean_field"] = np.full(fake_study.SEEDS, MEAN_FIELD + step)
      np.savez(folder / f"{step:08d}.npz", **arrays)
    metrics = run / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    for row in rows:
      key = "spectrum/layer_0/hidden/sigma_max"
      row[key] = [SIGMA_MAX + row["step"]] * fake_study.SEEDS
    metrics.write_text("\n".join(map(json.dumps, rows)) + "\n")
  return read_study(path)


def test_lines_are_the_exponents_before_and_after(study):
  picture = spectrum.draw(study)
  panels = dict(zip(("rnn_1", "gru", "lstm"), picture.figure.axes, strict=True))
  assert [arm.name for arm in picture.arms] == list(panels)
  for name, axes in panels.items():
    lines = {line.get_label(): line for line in axes.lines}
    places = np.arange(1, COUNT + 1) / SIZE
    for label, step in (("before training", 0), ("at the last step", 400)):
      wanted = np.median(exponents(name, step).mean(-1), axis=0)
      np.testing.assert_allclose(lines[label].get_xdata(), places)
      np.testing.assert_allclose(lines[label].get_ydata(), wanted)
    assert any(np.allclose(line.get_ydata(), 0) for line in axes.lines)


def test_theory_stands_where_it_holds_and_as_it_was_before_training(study):
  """Mean field and bound are a tanh network's."""
  rnn, *gated = spectrum.draw(study).figure.axes
  lines = {line.get_label(): line.get_ydata()[0] for line in rnn.lines}
  assert lines["mean field, before training"] == MEAN_FIELD
  assert lines["ln σ_max, before training"] == np.log(SIGMA_MAX)
  for axes in gated:
    assert not any("σ" in line.get_label() for line in axes.lines)
    assert not any("mean" in line.get_label() for line in axes.lines)


def test_rates_are_drawn_beside_the_rms_curves_at_both_ends(study):
  """Straight lines through the origin; the scale stays that of the curves."""
  picture = lag_curves.draw(study)
  loss, rms = np.reshape(picture.figure.axes, (3, 2))[:2]
  for when, (axes, above) in enumerate(zip(rms, loss, strict=True)):
    step = when * fake_study.STEPS
    lag = fake_study.LAGS[0]
    lines = {}
    for line in axes.lines:
      if line.get_marker() == "None" and len(line.get_xdata()) > lag:
        lines.setdefault(line.get_linestyle(), []).append(line.get_ydata())
    dashed, dash_dotted, dotted = (lines[dashes] for dashes in ("--", "-.", ":"))
    for found, name in zip(dashed, ("rnn_1", "gru", "lstm"), strict=True):
      rate = np.median(exponents(name, step)[:, 0].mean(-1))
      np.testing.assert_allclose(found[[0, lag]], [0, rate * lag / np.log(10)])
    rate = MEAN_FIELD + step
    np.testing.assert_allclose(dash_dotted[0][lag], rate * lag / np.log(10))
    rate = np.log(SIGMA_MAX + step)
    np.testing.assert_allclose(dotted[0][lag], rate * lag / np.log(10))
    assert not np.isfinite([*dash_dotted[1:], *dotted[1:]]).any()
    assert axes.get_ylim() == above.get_ylim()
    assert axes.get_ylim()[1] < 10
  (legend,) = picture.figure.legends
  words = [text.get_text() for text in legend.get_texts()]
  assert words[-3:] == ["λ1 x lag", "mean field x lag", "ln σ_max x lag"]


def test_words_are_the_numbers(study):
  picture = spectrum.draw(study)
  assert "−0.300 to 0.000 (tanh RNN)" in picture.title
  assert "−0.500 to 0.000 (GRU)" in picture.title
  assert (
    "tanh RNN: exponents 1 to 4 from −0.300 to −0.600 before training, from 0.000 to"
    " −0.300 at step 400; mean field −0.210; ln σ_max 0.405." in picture.caption
  )


def test_without_exponents_there_is_no_figure(tmp_path):
  path = fake_study.write_study(tmp_path / "study", fake_study.ARMS[:1])
  assert spectrum.draw(read_study(path)) is None
