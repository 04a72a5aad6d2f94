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
  layer_reading,
  logged_measure,
)
from rnn_research.diagnostics.nonfinite import (
  first_nonfinite_adjoint,
  first_nonfinite_state,
)
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
from rnn_research.diagnostics.truncation import (
  Bias,
  gradient_bias,
  leaf_biases,
  truncation_biases,
)
from rnn_research.diagnostics.weight_gradient import weight_curves, weight_norms

__all__ = [
  "ADJOINT",
  "ADJOINT_NORM",
  "AdjointCurves",
  "Bias",
  "Coherence",
  "Contribution",
  "Curves",
  "Horizon",
  "LayerReading",
  "Rate",
  "Reading",
  "Saturation",
  "Split",
  "adjoint_curves",
  "at_events",
  "coherence_by_lag",
  "contribution_by_lag",
  "event_lags",
  "first_nonfinite_adjoint",
  "first_nonfinite_state",
  "flatten_carry",
  "gradient_bias",
  "horizon",
  "largest_singular_value",
  "last_state",
  "layer_reading",
  "leaf_biases",
  "log_gain",
  "logged_measure",
  "loss_gain",
  "mean_saturation",
  "over_examples",
  "path_gain",
  "rate",
  "recurrent_blocks",
  "rms_gain",
  "saturation",
  "spectral_radius",
  "split_shares",
  "sup_gain",
  "total_adjoint",
  "truncation_biases",
  "unflatten_carry",
  "weight_curves",
  "weight_norms",
]
