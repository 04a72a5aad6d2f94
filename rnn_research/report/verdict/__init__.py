"""The verdict page of one run."""

from rnn_research.report.verdict.page import plain, write

__all__ = ["plain", "write"]
