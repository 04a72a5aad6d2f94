"""Measurements inside back-propagation through time: arrays in, arrays out."""

from rnn_research.diagnostics.adjoint import (
  ADJOINT,
  ADJOINT_NORM,
  AdjointCurves,
  adjoint_curves,
  total_adjoint,
)
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
from rnn_research.diagnostics.state import flatten_carry, unflatten_carry
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
  "Curves",
  "LayerReading",
  "Reading",
  "Saturation",
  "adjoint_curves",
  "at_events",
  "event_lags",
  "first_nonfinite_adjoint",
  "first_nonfinite_state",
  "flatten_carry",
  "gradient_bias",
  "largest_singular_value",
  "last_state",
  "layer_reading",
  "leaf_biases",
  "log_gain",
  "logged_measure",
  "loss_gain",
  "mean_saturation",
  "over_examples",
  "recurrent_blocks",
  "rms_gain",
  "saturation",
  "spectral_radius",
  "total_adjoint",
  "truncation_biases",
  "unflatten_carry",
  "weight_curves",
  "weight_norms",
]
