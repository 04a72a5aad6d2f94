"""The figure of lag curves: what stands in which panel is what the records say."""

import fake_study
import numpy as np
import pytest

from rnn_research.report.figures import lag_curves
from rnn_research.report.study import read_study

LAG = fake_study.LAGS[0]
TRUTH = {arm.name: arm for arm in fake_study.ARMS}


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
  path = fake_study.write_study(tmp_path_factory.mktemp("lags") / "study")
  return lag_curves.draw(read_study(path))


def lines(axes, hollow):
  """Data of each line by its marker; hollow markers are the sup gain's."""
  return {
    line.get_marker(): line.get_xydata()
    for line in axes.lines
    if (line.get_markerfacecolor() == "white") == hollow and line.get_marker() != "None"
  }


def panels(picture):
  return np.reshape(picture.figure.axes, (3, 2))


def middle(name, step, lag):
  """The formula's median over seeds."""
  return np.median(fake_study.gains(TRUTH[name], step, lag))


@pytest.mark.parametrize("column, step", [(0, 0), (1, fake_study.STEPS)])
def test_curves_points_and_paths_are_the_records(picture, column, step):
  loss, rms, path = panels(picture)[:, column]
  cells = {"o": "rnn_1", "s": "gru", "^": "lstm"}
  for axes in (loss, rms):
    found = lines(axes, hollow=False)
    assert found.keys() == cells.keys()
    for marker, name in cells.items():
      np.testing.assert_allclose(found[marker][LAG], (LAG, middle(name, step, LAG)))
  found = lines(path, hollow=False)
  for marker in ("s", "^"):
    wanted = 2 * middle(cells[marker], step, LAG)
    np.testing.assert_allclose(found[marker][LAG], (LAG, wanted))
  # A cell without a direct path has no line.
  assert len(found["o"]) == 0
  found = lines(rms, hollow=True)
  for marker, name in cells.items():
    wanted = [(k, middle(name, step, k) + fake_study.SUP) for k in (8, LAG)]
    np.testing.assert_allclose(found[marker], wanted)
  assert not lines(loss, hollow=True)


def test_the_path_has_a_scale_of_its_own_and_every_row_a_name(picture):
  loss, rms, path = panels(picture)[:, 0]
  assert loss.get_ylim() == rms.get_ylim() != path.get_ylim()
  for axes, word in zip((loss, rms, path), ("loss", "rms", "path"), strict=True):
    assert axes.get_ylabel() == f"log10 gain, {word} curve"
  (legend,) = picture.figure.legends
  words = [text.get_text() for text in legend.get_texts()]
  assert words[-1] == "sup gain (hollow)"
  assert "; path curve" in " ".join(picture.caption)
