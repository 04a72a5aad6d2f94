"""Records of runs in; tables, figures and one self-contained page out."""

from rnn_research.report.page import write

__all__ = ["write"]
