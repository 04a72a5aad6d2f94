"""Diagnostics of anybody's recurrence: a step function in, every figure out."""

from rnn_research.diagnostics.own.contribution import Contribution
from rnn_research.diagnostics.own.diagnose import diagnose
from rnn_research.diagnostics.own.diagnosis import Diagnosis, Gains
from rnn_research.diagnostics.own.step_trace import step_trace

__all__ = [
  "Contribution",
  "Diagnosis",
  "Gains",
  "diagnose",
  "step_trace",
]
