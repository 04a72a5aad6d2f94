"""PyTorch: `nn.RNN`, `nn.GRU` and `nn.LSTM`, and the loop of its tutorials.

A synthetic batch is sampled with its own operations; images are picked by index from
one tensor, in the order of a permutation an epoch, which is faster than a `DataLoader`
that picks them one by one. The loss is asked for where ours writes a row.
"""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.loops import Loop
from benchmarks.loops.digits import CLASSES, training_images
from benchmarks.loops.entries import config_of

PACKAGES = ("torch",)
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
SYMBOLS = 6


class Classifier(nn.Module):
  """One layer and a linear map of its last state."""

  def __init__(self, cell, features, hidden, classes):
    """Time-major, PyTorch's default."""
    super().__init__()
    self.layer = CELLS[cell](features, hidden)
    self.head = nn.Linear(hidden, classes)

  def forward(self, inputs):
    """Logits of inputs (time, batch, features)."""
    _, last = self.layer(inputs)
    # An LSTM's last is (state, memory).
    state = last[0] if isinstance(last, tuple) else last
    return self.head(state[-1])


def sample_temporal_order(length, batch):
  """Inputs (time, batch, 6) and classes first + 2 * second."""
  window = length // 10
  places = torch.randint(window, (2, batch))
  marks = torch.randint(2, (2, batch))
  symbols = torch.randint(2, SYMBOLS, (length, batch))
  examples = torch.arange(batch)
  symbols[length // 10 + places[0], examples] = marks[0]
  symbols[length // 2 + places[1], examples] = marks[1]
  return F.one_hot(symbols, SYMBOLS).float(), marks[0] + 2 * marks[1]


def batches_of(
  images: torch.Tensor, labels: torch.Tensor, batch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
  """Batches in a new order every epoch; what is left of an epoch is dropped."""
  while True:
    order = torch.randperm(len(labels))
    for begin in range(0, len(labels) - batch + 1, batch):
      rows = order[begin : begin + batch]
      yield images[:, rows], labels[rows]


def make(entry, devices):
  """One seed; with one thread, and with one a device."""
  torch.manual_seed(0)
  config = config_of(entry)
  batch, every = config.train.batch, config.train.log_every
  if entry.task == "digits":
    images, labels = map(torch.from_numpy, training_images())
    batches = batches_of(images, labels, batch)
    features, classes = 1, CLASSES

    def next_batch():
      return next(batches)

  else:
    features, classes = SYMBOLS, 4

    def next_batch():
      return sample_temporal_order(config.task.length, batch)

  model = Classifier(entry.cell, features, config.model.hidden, classes)
  optimizer = torch.optim.Adam(model.parameters(), lr=config.optimizer.learning_rate)
  losses = []

  def train(steps):
    for step in range(1, steps + 1):
      inputs, labels = next_batch()
      optimizer.zero_grad()
      loss = F.cross_entropy(model(inputs), labels)
      loss.backward()
      nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_bound)
      optimizer.step()
      if step % every == 0:
        losses.append(loss.item())

  def with_threads(threads):
    def way(steps):
      torch.set_num_threads(threads)
      train(steps)

    return way

  ways = [with_threads(threads) for threads in sorted({1, devices})]
  return Loop(ways, lambda: losses)
