"""What `diagnose` found of one batch, in four panels."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnn_research.report import style

LOSS, RMS, SUP = (style.CELLS[cell].colour for cell in ("gru", "lstm", "rnn"))


def draw(arrays: Mapping[str, np.ndarray]) -> Figure:
  """Lag gain, adjoint, what truncation loses, and the largest exponents.

      draw(diagnose(...).arrays()).savefig("diagnosis.pdf")

  Args:
    arrays: as `Diagnosis.arrays` names them, or what `np.load` reads of a saved one.
  """
  with matplotlib.rc_context(style.RC):
    figure = Figure(figsize=(style.WIDTH, 5.4), layout="constrained")
    gain, adjoint, truncation, spectrum = figure.subplots(2, 2).flat
    _gain(gain, arrays)
    _adjoint(adjoint, arrays)
    _truncation(truncation, arrays)
    _spectrum(spectrum, arrays)
    return figure


def _finite(values: np.ndarray) -> np.ndarray:
  """What is exactly zero has no place on a logarithmic axis."""
  return np.where(np.isinf(values), np.nan, values)


def _curve(axes: Axes, x: np.ndarray, curve: str, arrays, colour, label) -> None:
  parts = (_finite(arrays[f"{curve}/{name}"]) for name in ("q10", "median", "q90"))
  low, middle, high = parts
  axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
  axes.plot(x, middle, color=colour, label=label)


def _gain(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
  lags = np.arange(len(arrays["gain/loss/median"]))
  _curve(axes, lags, "gain/loss", arrays, LOSS, "loss")
  _curve(axes, lags, "gain/rms", arrays, RMS, "rms over directions")
  sup = _finite(arrays["gain/sup/median"])
  axes.plot(arrays["gain/sup_lags"], sup, "o", color=SUP, markersize=4, label="largest")
  axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
  axes.set_title("Lag gain: median and middle 80% of examples")
  axes.set_xlabel("lag (steps back from the last valid step)")
  axes.set_ylabel("log10 gain")
  axes.legend()


def _adjoint(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
  steps = np.arange(len(arrays["reads"]))
  _curve(axes, steps, "adjoint/absolute", arrays, LOSS, "absolute")
  _curve(axes, steps, "adjoint/relative", arrays, RMS, "relative to the last step's")
  reads = np.flatnonzero(arrays["reads"])
  title = f"Adjoint; the loss reads {len(reads)} of {len(steps)} outputs"
  axes.set_title(title)
  axes.set_xlabel("time step")
  axes.set_ylabel("log10 |dl/ds|")
  axes.legend()


def _truncation(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
  error = arrays["contribution/all/truncation_error"]
  reach = np.arange(len(error))
  axes.plot(reach, error, color=LOSS, label="error, share of |gradient|")
  cosine = arrays["contribution/all/cosine"]
  axes.plot(reach, cosine, color=RMS, label="cosine with the gradient")
  at_end = not arrays["reads"][:-1].any()
  axes.set_title(
    "What TBPTT(K) would lose" if at_end else "Steps K and more before the end"
  )
  axes.set_xlabel("K (steps)")
  axes.legend()


def _spectrum(axes: Axes, arrays: Mapping[str, np.ndarray]) -> None:
  exponents = _finite(arrays["exponents"])
  index = np.arange(1, len(exponents) + 1)
  mean, deviation = exponents.mean(-1), exponents.std(-1)
  axes.errorbar(index, mean, deviation, fmt="o", color=SUP, markersize=4, capsize=2)
  axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
  axes.set_xticks(index)
  axes.set_title("Lyapunov exponents; bars: SD over examples")
  axes.set_xlabel("index, from the largest")
  axes.set_ylabel("nats per step")
