"""Measurements inside back-propagation through time: arrays in, arrays out."""

from rnn_research.diagnostics.adjoint import (
  ADJOINT,
  ADJOINT_NORM,
  AdjointCurves,
  adjoint_curves,
  total_adjoint,
)
from rnn_research.diagnostics.coherence import Coherence, coherence_by_lag
from rnn_research.diagnostics.contribution import Contribution, contribution_by_lag
from rnn_research.diagnostics.horizon import Horizon, horizon
from rnn_research.diagnostics.lag import (
  at_events,
  event_lags,
  last_state,
  log_gain,
  loss_gain,
  rms_gain,
)
from rnn_research.diagnostics.logged import (
  LayerReading,
  Reading,
  carry_adjoint,
  layer_reading,
  logged_measure,
)
from rnn_research.diagnostics.lyapunov import lyapunov_exponents, qr_interval
from rnn_research.diagnostics.memory import follows, since_event, state_distance
from rnn_research.diagnostics.nonfinite import (
  first_nonfinite_adjoint,
  first_nonfinite_state,
)
from rnn_research.diagnostics.omega import Omega, backward_ratios, omega
from rnn_research.diagnostics.over_examples import Curves, over_examples
from rnn_research.diagnostics.path_gain import path_gain
from rnn_research.diagnostics.rate import Rate, rate
from rnn_research.diagnostics.saturation import (
  Saturation,
  mean_saturation,
  saturation,
)
from rnn_research.diagnostics.spectrum import (
  largest_singular_value,
  recurrent_blocks,
  spectral_radius,
)
from rnn_research.diagnostics.split import Split, split_shares
from rnn_research.diagnostics.state import flatten_carry, unflatten_carry
from rnn_research.diagnostics.sup_gain import sup_gain
from rnn_research.diagnostics.transient import (
  TransientGrowth,
  log_singular_values,
  spread,
  transient_growth,
)
from rnn_research.diagnostics.truncation import (
  Bias,
  gradient_bias,
  leaf_biases,
  truncation_biases,
)
from rnn_research.diagnostics.units import (
  Activity,
  Units,
  log_retention,
  unit_statistics,
)
from rnn_research.diagnostics.weight_gradient import weight_curves, weight_factors

__all__ = [
  "ADJOINT",
  "ADJOINT_NORM",
  "Activity",
  "AdjointCurves",
  "Bias",
  "Coherence",
  "Contribution",
  "Curves",
  "Horizon",
  "LayerReading",
  "Omega",
  "Rate",
  "Reading",
  "Saturation",
  "Split",
  "TransientGrowth",
  "Units",
  "adjoint_curves",
  "at_events",
  "backward_ratios",
  "carry_adjoint",
  "coherence_by_lag",
  "contribution_by_lag",
  "event_lags",
  "first_nonfinite_adjoint",
  "first_nonfinite_state",
  "flatten_carry",
  "follows",
  "gradient_bias",
  "horizon",
  "largest_singular_value",
  "last_state",
  "layer_reading",
  "leaf_biases",
  "log_gain",
  "log_retention",
  "log_singular_values",
  "logged_measure",
  "loss_gain",
  "lyapunov_exponents",
  "mean_saturation",
  "omega",
  "over_examples",
  "path_gain",
  "qr_interval",
  "rate",
  "recurrent_blocks",
  "rms_gain",
  "saturation",
  "since_event",
  "spectral_radius",
  "split_shares",
  "spread",
  "state_distance",
  "sup_gain",
  "total_adjoint",
  "transient_growth",
  "truncation_biases",
  "unflatten_carry",
  "unit_statistics",
  "weight_curves",
  "weight_factors",
]
