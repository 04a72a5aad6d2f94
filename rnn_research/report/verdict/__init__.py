"""The verdict page of one run."""

from rnn_research.report.verdict.page import FILE, plain, write

__all__ = ["FILE", "plain", "write"]
