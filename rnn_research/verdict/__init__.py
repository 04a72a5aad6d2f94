"""A finished run looked at once more: the figures of its verdict page."""

from rnn_research.verdict.diagnosis import FILE, diagnose, measure_ends
from rnn_research.verdict.parameters import open_run, read_config

__all__ = ["FILE", "diagnose", "measure_ends", "open_run", "read_config"]
