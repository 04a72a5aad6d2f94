"""The picture of a diagnosis: each panel draws the arrays it names."""

import numpy as np

from rnn_research.report.figures.own_step import draw

TIME = 6


def made_up():
  """Arrays under the names of a diagnosis, all different, one of them a true zero."""
  lags = np.arange(TIME + 1.0)
  arrays = {"reads": np.arange(TIME) == TIME - 1}
  for n, curve in enumerate(("gain/loss", "gain/rms")):
    for m, name in enumerate(("q10", "median", "q90")):
      arrays[f"{curve}/{name}"] = m - (n + 1) * lags
  for n, curve in enumerate(("adjoint/absolute", "adjoint/relative")):
    for m, name in enumerate(("q10", "median", "q90")):
      arrays[f"{curve}/{name}"] = m + (n + 3) * lags[:TIME]
  arrays["gain/rms/median"][-1] = -np.inf
  arrays["gain/sup_lags"] = np.array([1, 5])
  arrays["gain/sup/median"] = np.array([-0.5, -2.5])
  arrays["contribution/all/truncation_error"] = np.exp(-lags)
  arrays["contribution/all/cosine"] = 1 - np.exp(-lags)
  arrays["exponents"] = np.array([[-0.1, -0.3], [-0.5, -0.9]])
  return arrays


def test_every_line_is_an_array(tmp_path):
  arrays = made_up()
  figure = draw(arrays)
  gain, adjoint, truncation, spectrum = figure.axes
  drawn = {
    line.get_label(): line.get_data()
    for axes in (gain, adjoint, truncation)
    for line in axes.get_lines()
  }
  lags = np.arange(TIME + 1)
  rms = np.append(arrays["gain/rms/median"][:-1], np.nan)
  wanted = {
    "loss": (lags, arrays["gain/loss/median"]),
    "rms over directions": (lags, rms),
    "largest": (arrays["gain/sup_lags"], arrays["gain/sup/median"]),
    "absolute": (lags[:TIME], arrays["adjoint/absolute/median"]),
    "relative to the last step's": (lags[:TIME], arrays["adjoint/relative/median"]),
    "error, share of |gradient|": (lags, arrays["contribution/all/truncation_error"]),
    "cosine with the gradient": (lags, arrays["contribution/all/cosine"]),
  }
  for label, data in wanted.items():
    np.testing.assert_array_equal(drawn[label], data, err_msg=label)
  exponents = spectrum.get_lines()[0].get_ydata()
  np.testing.assert_allclose(exponents, [-0.2, -0.7])
  assert "reads 1 of 6 outputs" in adjoint.get_title(loc="left")
  figure.savefig(tmp_path / "found.svg")
  assert (tmp_path / "found.svg").stat().st_size > 1000
