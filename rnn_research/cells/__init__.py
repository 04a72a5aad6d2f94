"""Recurrent cells: pure functions of (parameters, carry, input)."""

from rnn_research.cells.cell import Cell, Joined, dense, select, zero_carry
from rnn_research.cells.elman import ACTIVATIONS, Elman, HiddenCarry
from rnn_research.cells.gru import GRU
from rnn_research.cells.initial import PRESETS, RECURRENT, Initial
from rnn_research.cells.lstm import LSTM, MemoryCarry
from rnn_research.cells.residual import Residual
from rnn_research.cells.tanh_moments import tanh_moments
from rnn_research.cells.tape import Tape, identity, multiplying
from rnn_research.cells.time_residual import TimeResidual
from rnn_research.cells.time_skip import TimeSkip
from rnn_research.cells.variational import Variational
from rnn_research.cells.zoneout import Zoneout

CELLS = {"rnn": Elman, "gru": GRU, "lstm": LSTM}
WRAPPERS = {
  "residual": Residual,
  "time_residual": TimeResidual,
  "time_skip": TimeSkip,
  "variational": Variational,
  "zoneout": Zoneout,
}

# What the number behind a wrapper's colon is; the others take none.
NUMBERS = {"time_skip": int, "variational": float, "zoneout": float}

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
  "Joined",
  "LSTM",
  "MemoryCarry",
  "NUMBERS",
  "Residual",
  "Tape",
  "TimeResidual",
  "TimeSkip",
  "Variational",
  "Zoneout",
  "dense",
  "identity",
  "multiplying",
  "select",
  "tanh_moments",
  "zero_carry",
]
