"""Flax: a `TrainState`, `nn.RNN`, and one jitted step whose state is donated.

The loop of Flax's own guides. A synthetic batch is sampled inside the step, its key
folded with the step, as they do for dropout; images are picked by index on the host,
in the order of a permutation an epoch. The loss is fetched where ours writes a row.
"""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

from benchmarks.loops import Loop
from benchmarks.loops.digits import CLASSES, training_images
from benchmarks.loops.entries import config_of

PACKAGES = ("flax", "optax", "jax", "jaxlib")
CELLS = {"rnn": nn.SimpleCell, "gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}
SYMBOLS = 6


class Classifier(nn.Module):
  """One layer and a linear map of its last state."""

  cell: str
  hidden: int
  classes: int

  @nn.compact
  def __call__(self, inputs):
    """Logits of inputs (time, batch, features)."""
    layer = nn.RNN(CELLS[self.cell](self.hidden), time_major=True, return_carry=True)
    carry, _ = layer(inputs)
    # An LSTM's carry is (memory, state).
    last = carry[1] if self.cell == "lstm" else carry
    return nn.Dense(self.classes)(last)


def sample_temporal_order(key, length, batch):
  """Inputs (time, batch, 6) and classes first + 2 * second."""
  place_key, mark_key, symbol_key = jax.random.split(key, 3)
  window = length // 10
  places = jax.random.randint(place_key, (2, batch), 0, window)
  marks = jax.random.randint(mark_key, (2, batch), 0, 2)
  symbols = jax.random.randint(symbol_key, (length, batch), 2, SYMBOLS)
  examples = jnp.arange(batch)
  symbols = symbols.at[length // 10 + places[0], examples].set(marks[0])
  symbols = symbols.at[length // 2 + places[1], examples].set(marks[1])
  return jax.nn.one_hot(symbols, SYMBOLS), marks[0] + 2 * marks[1]


def batches_of(
  images: np.ndarray, labels: np.ndarray, batch: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Batches in a new order every epoch; what is left of an epoch is dropped."""
  draw = np.random.default_rng(seed)
  while True:
    order = draw.permutation(len(labels))
    for begin in range(0, len(labels) - batch + 1, batch):
      rows = order[begin : begin + batch]
      yield images[:, rows], labels[rows]


def _update(state, inputs, labels):
  def loss_of(params):
    logits = state.apply_fn({"params": params}, inputs)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()

  loss, gradient = jax.value_and_grad(loss_of)(state.params)
  return state.apply_gradients(grads=gradient), loss


@functools.partial(jax.jit, donate_argnums=0, static_argnums=(2, 3))
def train_step_sampled(state, key, length, batch):
  """A step on a batch of its own."""
  key = jax.random.fold_in(key, state.step)
  return _update(state, *sample_temporal_order(key, length, batch))


train_step = jax.jit(_update, donate_argnums=0)


def make(entry, devices):
  """One seed; several are so many runs, one after another."""
  config = config_of(entry)
  batch, every = config.train.batch, config.train.log_every
  init_key, data_key = jax.random.split(jax.random.key(0))
  if entry.task == "digits":
    images, labels = training_images()
    labels = labels.astype(np.int32)
    batches = batches_of(images, labels, batch)
    example, classes = jnp.asarray(images[:, :1]), CLASSES

    def advance(state):
      return train_step(state, *next(batches))

  else:
    length, classes = config.task.length, 4
    example = jnp.zeros((length, 1, SYMBOLS))

    def advance(state):
      return train_step_sampled(state, data_key, length, batch)

  model = Classifier(entry.cell, config.model.hidden, classes)
  state = TrainState.create(
    apply_fn=model.apply,
    params=jax.jit(model.init)(init_key, example)["params"],
    tx=optax.chain(
      optax.clip_by_global_norm(config.optimizer.clip_bound),
      optax.adam(config.optimizer.learning_rate),
    ),
  )
  losses = []

  def train(steps):
    nonlocal state
    for step in range(1, steps + 1):
      state, loss = advance(state)
      if step % every == 0:
        losses.append(float(loss))
    jax.block_until_ready(state)

  return Loop([train], lambda: losses)
