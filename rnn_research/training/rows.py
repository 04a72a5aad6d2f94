"""From what the programs return to the names and numbers of the records.

Runs on the host, one dispatch late, so that no device waits for it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnn_research.diagnostics import (
  Bias,
  Curves,
  LayerReading,
  adjoint_curves,
  horizon,
  largest_singular_value,
  recurrent_blocks,
  spectral_radius,
  weight_curves,
)
from rnn_research.diagnostics.theory import mean_field
from rnn_research.training.exponents import LayerExponents
from rnn_research.training.flossing import Flossed
from rnn_research.training.inspection import LagCurves, sup_events
from rnn_research.training.optimizer import Ledger
from rnn_research.training.step import Detail

LEDGER_ARRAYS = (
  "loss",
  "norm_before",
  "norm_after",
  "shrink",
  "update_norm",
  "update_relative",
  "cosine",
)


VANISHED = -3.0  # log10: the gain that a horizon is taken at

# A step that overflowed is a result, null in its row, and nothing to warn of.
_quietly = np.errstate(over="ignore", invalid="ignore", divide="ignore")


@_quietly
def ledger_row(ledger: Ledger) -> dict[str, np.ndarray]:
  """Summary of the steps since the last row; leaves of the ledger (seeds, steps)."""
  return {
    "train/loss": ledger.loss.mean(1),
    "train/error": ledger.error.mean(1),
    "clip/norm_before": np.median(ledger.norm_before, 1),
    "clip/norm_before_max": ledger.norm_before.max(1),
    "clip/norm_after": np.median(ledger.norm_after, 1),
    "clip/fraction": ledger.clipped.mean(1),
    "clip/shrink": ledger.shrink.mean(1),
    "update/norm": ledger.update_norm.mean(1),
    "update/norm_max": ledger.update_norm.max(1),
    "update/relative": ledger.update_relative.mean(1),
    "update/cosine": ledger.cosine.mean(1),
  }


def ledger_arrays(ledger: Ledger, step: int) -> dict[str, np.ndarray]:
  """Every step since the last row: step (K,), the others (K, seeds)."""
  count = ledger.loss.shape[1]
  arrays = {name: getattr(ledger, name).T for name in LEDGER_ARRAYS}
  return {"step": np.arange(step - count + 1, step + 1), **arrays}


@_quietly
def detail_row(detail: Detail) -> dict[str, np.ndarray]:
  """What a logged step tells of every leaf and gate.

  Of a leaf, `grads` is the norm of the gradient that was asked for, `clip` what became
  of it and by how much it was too large, `updates` what the leaf was moved by. Omega
  is the sum over all layers, its ratio and share of steps their averages.
  """
  row = {}
  for layer, reading in detail.layers.items():
    for gate, shares in reading.saturation.items():
      row[f"saturation/{layer}/{gate}/low"] = shares.low
      row[f"saturation/{layer}/{gate}/high"] = shares.high
  if detail.omega:
    penalties = list(detail.omega.values())
    row["regularizer/omega"] = sum(penalty.value for penalty in penalties)
    row["regularizer/ratio"] = np.mean([p.ratio for p in penalties], axis=0)
    row["regularizer/share"] = np.mean([p.share for p in penalties], axis=0)
  for path, norm in detail.params.items():
    update = detail.updates[path]
    row[f"grads/{path}"] = detail.gradients[path]
    row[f"params/{path}"] = norm
    row[f"updates/{path}"] = update
    asked, left = detail.gradients[path], detail.clipped[path]
    row[f"clip/{path}/norm_after"] = left
    row[f"clip/{path}/shrink"] = np.divide(
      left, asked, out=np.ones_like(left), where=asked > 0
    )
    row[f"clip/{path}/demand"] = detail.demand[path]
    row[f"clip/{path}/cosine"] = detail.cosines[path]
    row[f"ratio/{path}"] = np.divide(
      update, norm, out=np.full_like(norm, np.nan), where=norm > 0
    )
  return row


@_quietly
def adjoint_arrays(
  detail: Detail, reverse: Mapping[str, bool], events: Any
) -> dict[str, np.ndarray]:
  """What the heat maps are drawn from, (seeds, time).

  Args:
    detail: of the logged step.
    reverse: whether a layer reads from the last step to the first.
    events: of the inspected batch.
  """
  arrays: dict[str, list[np.ndarray]] = {}

  def add(prefix, curves):
    for name, value in curves._asdict().items():
      arrays.setdefault(f"{prefix}log10_{name}", []).append(_finite(value))

  one = np.ones((), np.float32)  # what was read is of an example's own loss
  for seed in range(next(iter(detail.params.values())).shape[0]):
    for layer, reading in detail.layers.items():
      own = _of_seed(reading, seed)
      if own.adjoint is not None:
        curves = adjoint_curves(own.adjoint, one, own.lengths, reverse[layer])
        add(f"{layer}/", curves.absolute)
        add(f"{layer}/relative_", curves.relative)
        arrays.setdefault(f"{layer}/nonfinite", []).append(curves.nonfinite)
      for product, found in weight_curves(own.weights, one, own.lengths).items():
        add(f"{layer}/weights/{product}/", found)
  arrays = {name: np.stack(values) for name, values in arrays.items()}
  if events is not None and arrays:
    seeds = next(iter(arrays.values())).shape[0]
    median = np.median(np.asarray(events), axis=0)
    arrays["events"] = np.broadcast_to(median, (seeds, *median.shape))
  return arrays


def lag_row(lags: Mapping[str, LagCurves]) -> dict[str, np.ndarray]:
  """Median gain at the longest lag and at each event, and the loss curve's horizon.

  Minus infinity in the loss's gain: nothing at all is left. The horizon is null where
  the gain is above a thousandth at the longest lag, which `horizon_censored` tells
  from one that has no value.
  """
  row = {}
  for layer, curves in lags.items():
    for kind in ("loss", "rms", "path"):
      median = getattr(curves, kind).median
      known = _known if kind == "loss" else _finite
      row[f"lag/{layer}/{kind}/log10"] = known(_last_value(median))
      at_events: Curves | None = getattr(curves, f"{kind}_at_events")
      if at_events is None:
        continue
      for event in range(at_events.median.shape[-1]):
        value = at_events.median[:, event]
        row[f"lag/{layer}/{kind}/event_{event}"] = known(value)
    *at_events, longest = curves.sup.gain.median.T
    row[f"lag/{layer}/sup/log10"] = _finite(longest)
    number = 0 if curves.event_lags is None else curves.event_lags.shape[-1]
    for event, value in zip(sup_events(number), at_events, strict=True):
      row[f"lag/{layer}/sup/event_{event}"] = _finite(value)
    reach = horizon(curves.loss.median, VANISHED)
    row[f"lag/{layer}/loss/horizon"] = reach.lag
    row[f"lag/{layer}/loss/horizon_censored"] = reach.censored.astype(reach.lag.dtype)
    row[f"lag/{layer}/loss/largest"] = _finite(reach.largest)
  return row


def lag_arrays(lags: Mapping[str, LagCurves]) -> dict[str, np.ndarray]:
  """Whole curves, (seeds, lags), and the sup gain at a few lags of its own."""
  arrays = {}
  for layer, curves in lags.items():
    for name, value in curves.loss._asdict().items():
      arrays[f"{layer}/loss_{name}"] = _finite(value)
    for name in ("median", "q10", "q90"):
      arrays[f"{layer}/rms_{name}"] = _finite(getattr(curves.rms, name))
      arrays[f"{layer}/path_{name}"] = _finite(getattr(curves.path, name))
      arrays[f"{layer}/sup_{name}"] = _finite(getattr(curves.sup.gain, name))
    arrays[f"{layer}/sup_lags"] = np.asarray(curves.sup.lags)
    if curves.event_lags is not None:
      arrays["event_lags"] = np.asarray(curves.event_lags)
  return arrays


def bias_row(biases: Mapping[str, Bias]) -> dict[str, np.ndarray]:
  """Truncated gradient against the whole one, of all leaves ("") and of each."""
  return {
    f"truncation/{name}/{path}".removesuffix("/"): value
    for path, bias in biases.items()
    for name, value in bias._asdict().items()
  }


def spectrum_row(cells: Mapping[str, Any], params: Any) -> dict[str, np.ndarray]:
  """Radius and largest singular value of each recurrent matrix.

  Args:
    cells: the cell of each layer, by its slash path.
    params: host arrays with a leading seed axis.
  """
  row = {}
  for layer, cell in cells.items():
    own = params
    for name in layer.split("/"):
      own = own[name]
    for gate, matrix in recurrent_blocks(cell, own["cell"]).items():
      row[f"spectrum/{layer}/{gate}/radius"] = spectral_radius(matrix)
      row[f"spectrum/{layer}/{gate}/sigma_max"] = largest_singular_value(matrix)
  return row


def exponent_row(spectra: Mapping[str, LayerExponents]) -> dict[str, np.ndarray]:
  """Mean over the examples of each exponent, nats per step."""
  return {
    f"lyapunov/{layer}/{index}": _finite(found.exponents[:, index].mean(-1))
    for layer, found in spectra.items()
    for index in range(found.exponents.shape[1])
  }


def exponent_arrays(spectra: Mapping[str, LayerExponents]) -> dict[str, np.ndarray]:
  """Exponents (seeds, count, examples), size of the state and mean field (seeds,)."""
  arrays = {}
  for layer, found in spectra.items():
    arrays[f"{layer}/exponents"] = _finite(found.exponents)
    arrays[f"{layer}/size"] = np.asarray(found.size)
    if found.weight_scale is not None:
      arrays[f"{layer}/mean_field"] = np.array(
        [
          mean_field(float(scale), float(variance)).rate
          for scale, variance in zip(
            found.weight_scale, found.input_variance, strict=True
          )
        ]
      )
  return arrays


def flossing_row(flossed: Flossed) -> dict[str, np.ndarray]:
  """Loss at the first and the last update, and every exponent before and after."""
  row = {
    "flossing/loss/first": flossed.loss[:, 0],
    "flossing/loss/last": flossed.loss[:, -1],
  }
  for when in ("before", "after"):
    for layer, exponents in getattr(flossed, when).items():
      for index in range(exponents.shape[1]):
        row[f"flossing/{layer}/{index}/{when}"] = _finite(exponents[:, index])
  return row


def _of_seed(reading: LayerReading, seed: int) -> LayerReading:
  lengths = reading.lengths
  return LayerReading(
    adjoint=None if reading.adjoint is None else reading.adjoint[seed],
    saturation={},
    weights={name: norms[seed] for name, norms in reading.weights.items()},
    lengths=None if lengths is None else lengths[seed],
  )


def _finite(value: Any) -> np.ndarray:
  """Minus infinity (a true zero) has no place on a log axis: NaN, as padding."""
  value = np.asarray(value)
  return np.where(np.isfinite(value), value, np.nan)


def _known(value: Any) -> np.ndarray:
  """Minus infinity stays: that nothing is left of the loss's gradient is a finding."""
  value = np.asarray(value)
  return np.where(value < np.inf, value, np.nan)


def _last_value(curve: Any) -> np.ndarray:
  """The value at the longest lag that any example has."""
  curve = np.asarray(curve)
  known = ~np.isnan(curve)
  last = curve.shape[1] - 1 - known[:, ::-1].argmax(1)
  return np.take_along_axis(curve, last[:, None], 1)[:, 0]
