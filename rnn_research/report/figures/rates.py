"""Rates per step, in nats: the exponents that were measured and what theory gives."""

import numpy as np
from jaxtyping import Float

from rnn_research.report.statistics import median
from rnn_research.report.study import Arm

# Places in a record: its first measurement and its last.
BEFORE, NOW = 0, -1
# Activations whose slope is at most 1; None is tanh.
SLOPE_ONE = (None, "tanh", "relu")


def has_exponents(arm: Arm) -> bool:
  """Whether its exponents are on record."""
  return f"{arm.run.layer}/exponents" in arm.run.exponents.values


def exponents(arm: Arm, when: int) -> Float[np.ndarray, "..."]:
  """Median over seeds of the mean over examples, at a measurement."""
  values = arm.run.exponents.values[f"{arm.run.layer}/exponents"][when]
  return median(values.mean(-1), axis=0)


def largest(arm: Arm, when: int) -> float:
  """The largest exponent, which a gain's slope tends to; NaN if not on record."""
  return float(exponents(arm, when)[0]) if has_exponents(arm) else float("nan")


def predicted(arm: Arm, when: int) -> float:
  """The mean field's rate of the rms curve; NaN where it is none of the cell's."""
  rates = arm.run.exponents.values.get(f"{arm.run.layer}/mean_field")
  return float("nan") if rates is None else float(median(rates[when], axis=0))


def pascanu(arm: Arm, when: int) -> float:
  """ln sigma_max of a tanh or relu network, a bound; NaN if not on record."""
  options = arm.run.config.get("model", {}).get("cell_options") or {}
  values = arm.run.get(f"spectrum/{arm.run.layer}/hidden/sigma_max").values
  if arm.cell != "rnn" or not len(values) or options.get("activation") not in SLOPE_ONE:
    return float("nan")
  sizes = values[when]
  return float(median(np.log(np.where(sizes > 0, sizes, np.nan)), axis=0))
