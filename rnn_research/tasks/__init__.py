"""Synthetic problems, sampled on the device inside jit."""

from rnn_research.tasks.adding import Adding
from rnn_research.tasks.copy_memory import CopyMemory
from rnn_research.tasks.delayed_xor import DelayedXor
from rnn_research.tasks.memorisation import Memorisation
from rnn_research.tasks.multiplication import Multiplication
from rnn_research.tasks.parity import Parity
from rnn_research.tasks.reversal import Reversal
from rnn_research.tasks.task import Task
from rnn_research.tasks.temporal_order import TemporalOrder
from rnn_research.tasks.temporal_order_3 import TemporalOrder3

TASKS: dict[str, type[Task]] = {
  "adding": Adding,
  "copy_memory": CopyMemory,
  "delayed_xor": DelayedXor,
  "memorisation": Memorisation,
  "multiplication": Multiplication,
  "parity": Parity,
  "reversal": Reversal,
  "temporal_order": TemporalOrder,
  "temporal_order_3": TemporalOrder3,
}

__all__ = [
  "TASKS",
  "Adding",
  "CopyMemory",
  "DelayedXor",
  "Memorisation",
  "Multiplication",
  "Parity",
  "Reversal",
  "Task",
  "TemporalOrder",
  "TemporalOrder3",
]
