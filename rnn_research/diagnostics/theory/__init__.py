"""What theory predicts of a gradient's rate, beside what is measured."""

from rnn_research.diagnostics.theory.closed_form import chrono_rate, zero_state_rate
from rnn_research.diagnostics.theory.mean_field import MeanField, mean_field
from rnn_research.diagnostics.theory.pascanu import (
  log_bound,
  log_norm_product,
  log_omega_ratio,
)

__all__ = [
  "MeanField",
  "chrono_rate",
  "log_bound",
  "log_norm_product",
  "log_omega_ratio",
  "mean_field",
  "zero_state_rate",
]
