"""Recurrent cells: pure functions of (parameters, carry, input)."""

from rnn_research.cells.cell import Cell, dense, select, zero_carry
from rnn_research.cells.elman import ACTIVATIONS, Elman, HiddenCarry
from rnn_research.cells.gru import GRU
from rnn_research.cells.initial import PRESETS, RECURRENT, Initial
from rnn_research.cells.lstm import LSTM, MemoryCarry
from rnn_research.cells.residual import Residual
from rnn_research.cells.tape import Tape, identity, multiplying
from rnn_research.cells.zoneout import Zoneout

CELLS = {"rnn": Elman, "gru": GRU, "lstm": LSTM}
WRAPPERS = {"residual": Residual, "zoneout": Zoneout}

__all__ = [
  "ACTIVATIONS",
  "CELLS",
  "PRESETS",
  "RECURRENT",
  "WRAPPERS",
  "Cell",
  "Elman",
  "GRU",
  "HiddenCarry",
  "Initial",
  "LSTM",
  "MemoryCarry",
  "Residual",
  "Tape",
  "Zoneout",
  "dense",
  "identity",
  "multiplying",
  "select",
  "zero_carry",
]
