"""The third program: what truncation does to the gradient of the loss."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from rnn_research.diagnostics import gradient_bias, leaf_biases
from rnn_research.training.losses import tally
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program


@functools.cache
def compile_bias(program: Program) -> Callable[..., Any]:
  """A jitted `(params, batch) -> {leaf: Bias}` with a leading seed axis.

  The gradient of the mean loss as trained, beside that of the whole back-propagation
  through time; without dropout and noise. The leaf "" is all of them together.
  """

  def one_seed(params, batch):
    def gradient(model):
      def mean_loss(params):
        outputs = model.apply({"params": params}, batch, train=False)
        parts = tally(program.problem, outputs, batch)
        return parts.loss / parts.count

      return jax.grad(mean_loss)(params)

    # Without taps, what is inspected is the model with its whole gradient.
    both = gradient(program.model), gradient(program.inspected)
    return {"": gradient_bias(*both)} | leaf_biases(*both)

  return jax.jit(over_seeds(program.layout, one_seed))
