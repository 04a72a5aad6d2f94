"""Classifiers of equal size: recurrent ones of this project, and a causal CNN."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from benchmarks.entries import Shape
from rnn_research.cells import CELLS
from rnn_research.models.classifier import Classifier
from rnn_research.models.stacked import Stacked
from rnn_research.problem import Batch

CNN = "cnn"
MODELS = (*CELLS, CNN)
WIDEST = 4096


class CausalConvolutions(nn.Module):
  """A temporal convolutional network (Bai, Kolter and Koltun 2018) over the last step.

  Residual blocks of two dilated causal convolutions with a relu behind each, the
  dilation doubling from block to block, as many as the receptive field needs to cover
  the sequence; then a linear map of the last step. No weight norm and no dropout.

  Attributes:
    width: channels.
    kernel_size: taps of each convolution.
    outputs: classes.
  """

  width: int
  kernel_size: int
  outputs: int

  @nn.compact
  def __call__(self, batch: Batch) -> jax.Array:
    """Outputs (batch, outputs) of time-major inputs."""
    xs = batch.inputs.swapaxes(0, 1)
    for level in range(levels(xs.shape[1], self.kernel_size)):
      ys = xs
      for _ in range(2):
        ys = nn.relu(
          nn.Conv(
            self.width,
            (self.kernel_size,),
            padding="CAUSAL",
            kernel_dilation=2**level,
          )(ys)
        )
      if xs.shape[-1] != self.width:
        xs = nn.Dense(self.width)(xs)
      xs = nn.relu(xs + ys)
    return nn.Dense(self.outputs)(xs[:, -1])


def levels(time: int, kernel_size: int) -> int:
  """Blocks until the last output sees the first of `time` inputs."""
  field, count = 1, 0
  while field < time:
    field += 2 * (kernel_size - 1) * 2**count
    count += 1
  return count


def build(name: str, width: int, outputs: int, kernel_size: int) -> nn.Module:
  """A classifier by its name in `MODELS`."""
  if name == CNN:
    return CausalConvolutions(width, kernel_size, outputs)
  return Classifier(Stacked(CELLS[name](), width), outputs)


def widest(name: str, shape: Shape, outputs: int, kernel_size: int, most: int) -> int:
  """The largest width with at most so many parameters; 0 if there is none."""
  low, high = 0, WIDEST
  while low < high:
    middle = (low + high + 1) // 2
    model = build(name, middle, outputs, kernel_size)
    if count(model, shape) <= most:
      low = middle
    else:
      high = middle - 1
  return low


def count(model: nn.Module, shape: Shape) -> int:
  """Parameters."""
  params = jax.eval_shape(model.init, jax.random.key(0), blank(shape))
  return sum(leaf.size for leaf in jax.tree.leaves(params))


def blank(shape: Shape) -> Batch:
  """A batch of zeros."""
  inputs = jnp.zeros((shape.time, shape.batch, shape.input))
  targets = jnp.zeros((shape.batch,), jnp.int32)
  return Batch(inputs, targets, jnp.ones((shape.batch,)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def train_step(model, optimizer, params, state, batch):
  """One step of training: loss, gradient with respect to the parameters, update."""

  def mean_loss(params):
    losses = optax.softmax_cross_entropy_with_integer_labels
    return losses(model.apply(params, batch), batch.targets).mean()

  loss, gradient = jax.value_and_grad(mean_loss)(params)
  updates, state = optimizer.update(gradient, state, params)
  return loss, optax.apply_updates(params, updates), state
