"""Where a sequence that is written from a context begins."""

import flax.linen as nn
import jax
from jaxtyping import Real

from rnn_research.array_types import Array, Carry
from rnn_research.cells import Cell


class InitialCarry(nn.Module):
  """The carry before the first step of each layer, affine in a context.

  One map per leaf of a carry: `layer_0_hidden` {kernel, bias}, and so on.

  Attributes:
    cell: whose carry it is.
    hidden: its hidden size.
    layers: how many carries.
  """

  cell: Cell
  hidden: int
  layers: int

  @nn.compact
  def __call__(self, context: Real[Array, "batch context"]) -> tuple[Carry, ...]:
    """One carry per layer."""
    carry = jax.eval_shape(self._carry)
    leaves, tree = jax.tree_util.tree_flatten_with_path(carry)
    carries = []
    for n in range(self.layers):
      parts = []
      for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator="_")
        affine = nn.Dense(leaf.shape[-1], param_dtype=float, name=f"layer_{n}_{name}")
        parts.append(affine(context))
      carries.append(jax.tree.unflatten(tree, parts))
    return tuple(carries)

  def _carry(self):
    """A carry of the cell; its shape is the same for every size of the input."""
    size = self.cell.output_size(self.hidden)
    params = self.cell.init(jax.random.key(0), size, self.hidden)
    x = jax.numpy.zeros((1, size))
    return self.cell.initial_carry(params, self.cell.project(params["input"], x))
