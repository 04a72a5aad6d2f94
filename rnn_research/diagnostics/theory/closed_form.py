"""Rates that follow from the parameters alone: zero state, no input.

At h = c = 0 with no input and no bias on the candidate a cell stays where it is, and
every step has the Jacobian (primes: transposed, as the kernels are stored)

    Elman  U'
    GRU    z + (1 - z) r U_n'                    1/2 + U_n'/4 without biases
    LSTM   f + i U_g' o   (the c-coordinates)    sigma(b) + U_g'/4 with forget bias b

so a gradient of the full carry fades at ln rho of it per step. These are no rates on
data: a curve that is drawn from one is labelled "zero state, no input".
"""

from typing import Any

import numpy as np

from rnn_research.cells import GRU, LSTM, Cell, Elman
from rnn_research.diagnostics.spectrum import recurrent_blocks, spectral_radius

LABEL = "zero state, no input"


def zero_state_rate(cell: Cell, params: dict[str, Any]) -> float:
  """ln of the spectral radius of a step's Jacobian at rest, in nats per step.

  Args:
    cell: `Elman`, `GRU` or `LSTM` with any gates' options, but neither projected nor
      normalised.
    params: host arrays of one cell.

  Returns:
    Minus infinity for a radius of zero; NaN where a bias moves the state, so that
    zero is no rest.

  Raises:
    TypeError: for a cell whose rate has no closed form here.
  """
  match cell:
    case Elman(layer_norm=False):
      return _rate(_elman(cell, params))
    case GRU(layer_norm=False):
      return _rate(_gru(cell, params))
    case LSTM(projection=0, layer_norm=False):
      return _rate(_lstm(cell, params))
  raise TypeError(f"{cell} has no closed form at the zero state")


def chrono_rate(longest: int) -> float:
  """ln(1 - 1/T_max): of the slowest unit, b = ln(T_max - 1), without weights.

  After T_max steps 1/e is left (Tallec and Ollivier 2018).
  """
  return float(np.log1p(-1 / longest))


def _elman(cell, params):
  matrix = recurrent_blocks(cell, params)["hidden"].T
  # relu is at its kink there; the slope on the right is meant.
  return matrix if _still(params["input"]["bias"]) else None


def _gru(cell, params):
  matrix = recurrent_blocks(cell, params)["candidate"].T
  r, z, n = np.split(_host(params["input"]["bias"]), 3)
  if not (_still(n) and (not cell.reset_after or _still(params["hidden"]["bias"]))):
    return None
  r, z = _sigmoid(r), _sigmoid(z)
  # Behind the product r scales rows of U_n', before it columns.
  inner = r[:, None] * matrix if cell.reset_after else matrix * r[None]
  return np.diag(z) + (1 - z)[:, None] * inner


def _lstm(cell, params):
  matrix = recurrent_blocks(cell, params)["candidate"].T
  parts = np.split(_host(params["input"]["bias"]), len(cell.gates))
  bias = dict(zip(cell.gates, parts, strict=True))
  if not _still(bias["g"]):
    return None
  f, o = _sigmoid(bias["f"]), _sigmoid(bias["o"])
  i = 1 - f if cell.coupled else _sigmoid(bias["i"])
  return np.diag(f) + i[:, None] * matrix * o[None]


def _rate(jacobian: np.ndarray | None) -> float:
  if jacobian is None:
    return float("nan")
  with np.errstate(divide="ignore"):
    return float(np.log(spectral_radius(jacobian)))


def _still(bias: Any) -> bool:
  return not np.any(_host(bias))


def _host(array: Any) -> np.ndarray:
  return np.asarray(array, np.float64)


def _sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))
