"""Picks examples out of a batch."""

import numpy as np
from jaxtyping import Int

from rnn_research.problem import Batch, Form

_ALWAYS_TIME_MAJOR = ("inputs", "resets", "decoder_inputs")
_AS_THE_OUTPUTS = ("targets", "weights")


def gather(split: Batch, form: Form, rows: Int[np.ndarray, "seeds batch"]) -> Batch:
  """The examples `rows` of a split, one batch per seed, leaves (seeds, ...)."""
  picked = {}
  for field, values in split._asdict().items():
    if values is None:
      continue
    has_time = field in _ALWAYS_TIME_MAJOR or (
      field in _AS_THE_OUTPUTS and form != "many_to_one"
    )
    if has_time:
      # (time, seeds, batch, ...): the seeds go outside everything.
      stacked = np.take(values, rows, axis=1).swapaxes(0, 1)
      picked[field] = np.ascontiguousarray(stacked)
    else:
      picked[field] = np.take(values, rows, axis=0)
  return Batch(**picked)
