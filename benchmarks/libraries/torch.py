"""PyTorch: `nn.RNN`, `nn.GRU` and `nn.LSTM`."""

import numpy as np
import torch

PACKAGES = ("torch",)
CELLS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def make(cell, shape, direction, devices):
  """Time-major, its default; with one thread, and with one a device.

  Small products are slower with several threads than with one, and where a core is
  busy otherwise they are slower by orders of magnitude: the threads meet after every
  product. So the faster counts.
  """
  torch.manual_seed(0)
  layer = CELLS[cell](shape.input, shape.hidden)
  sizes = (shape.time, shape.batch, shape.input)
  xs = torch.from_numpy(np.random.default_rng(0).standard_normal(sizes, np.float32))
  leaf = xs.clone().requires_grad_()

  @torch.inference_mode()
  def forward():
    return [layer(xs)[0]]

  def gradient():
    ys, _ = layer(leaf)
    return list(torch.autograd.grad(ys.square().sum(), [*layer.parameters(), leaf]))

  run = forward if direction == "forward" else gradient

  def with_threads(threads):
    def way():
      torch.set_num_threads(threads)
      return run()

    return way

  return [with_threads(threads) for threads in sorted({1, devices})]
