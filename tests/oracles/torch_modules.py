"""torch.nn's recurrent modules in double precision, padded by packed sequences."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.oracles.cases import HIDDEN, INPUTS, PROJECTED, TIME

MODULES = {
  "rnn_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
  "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
  "gru": (torch.nn.GRU, {}),
  "lstm": (torch.nn.LSTM, {}),
  "lstm_projection": (torch.nn.LSTM, {"proj_size": PROJECTED}),
}


def run(case, weights, xs, carry, lengths):
  """(outputs, last carry) from tensors that track gradients."""
  make, options = MODULES[case.kind]
  module = make(
    INPUTS,
    HIDDEN,
    num_layers=case.layers,
    bidirectional=case.directions == 2,
    dtype=torch.float64,
    **options,
  )
  assert {key for key, _ in module.named_parameters()} == set(weights)
  packed = pack_padded_sequence(xs, lengths, enforce_sorted=False)
  start = carry["hidden"]
  if "memory" in carry:
    start = (start, carry["memory"])
  outputs, last = torch.func.functional_call(module, weights, (packed, start))
  if "memory" not in carry:
    last = (last,)
  leaves = dict(zip(("hidden", "memory"), last, strict=False))
  return pad_packed_sequence(outputs, total_length=TIME)[0], leaves
