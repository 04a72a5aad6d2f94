"""PyTorch: `nn.RNN`, `nn.GRU` and `nn.LSTM` with its own threads."""

import numpy as np
import torch

PACKAGES = ("torch",)
CELLS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def make(cell, shape, direction, devices):
  """Time-major, its default; one thread a device."""
  torch.set_num_threads(devices)
  torch.manual_seed(0)
  layer = CELLS[cell](shape.input, shape.hidden)
  sizes = (shape.time, shape.batch, shape.input)
  xs = torch.from_numpy(np.random.default_rng(0).standard_normal(sizes, np.float32))

  @torch.inference_mode()
  def forward():
    return [layer(xs)[0]]

  def gradient():
    ys, _ = layer(leaf)
    return list(torch.autograd.grad(ys.square().sum(), [*layer.parameters(), leaf]))

  leaf = xs.clone().requires_grad_()
  return [forward if direction == "forward" else gradient]
