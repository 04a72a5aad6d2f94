"""A cell over time: the scan, its adjoint, and what can be read on the way back."""

from rnn_research.unroll.edits import AdjointClip, Edit
from rnn_research.unroll.segments import balanced_segments, default_levels
from rnn_research.unroll.streaming import step
from rnn_research.unroll.taps import (
  Event,
  Measure,
  Readings,
  Stacked,
  make_sinks,
)
from rnn_research.unroll.trace import Trace
from rnn_research.unroll.unroll import unroll

__all__ = [
  "AdjointClip",
  "Edit",
  "Event",
  "Measure",
  "Readings",
  "Stacked",
  "Trace",
  "balanced_segments",
  "default_levels",
  "make_sinks",
  "step",
  "unroll",
]
