"""Numbers of every leaf of a tree, kept as one array."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from rnn_research.array_types import AnyArray, Array, Params


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ByLeaf(Mapping):
  """One number of each leaf, by its slash path.

  A scalar a leaf would be an array of its own in every program that returns it, which
  costs more than to compute it.

  Attributes:
    numbers: (..., leaves), in the order of the paths, which is that of the tree.
    paths: `layer_0/cell/hidden/kernel`, ...
  """

  numbers: Any
  paths: tuple[str, ...] = dataclasses.field(metadata={"static": True})

  @classmethod
  def of(cls, tree: Params, numbers: Shaped[Array, "leaves"]) -> "ByLeaf":
    """Names the numbers after the leaves of a tree."""
    return cls(numbers, leaf_paths(tree))

  @classmethod
  def stacked(cls, tree: Any) -> "ByLeaf":
    """Of a tree whose leaves are the numbers."""
    return cls.of(tree, jnp.stack(jax.tree.leaves(tree)))

  def __getitem__(self, path: str) -> Shaped[AnyArray, "*kept"]:
    """The number of one leaf."""
    if path not in self.paths:
      raise KeyError(path)
    return self.numbers[..., self.paths.index(path)]

  def __iter__(self) -> Iterator[str]:
    """The paths."""
    return iter(self.paths)

  def __len__(self) -> int:
    """How many leaves."""
    return len(self.paths)


def leaf_paths(tree: Params) -> tuple[str, ...]:
  """Slash path of each leaf."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return tuple(
    jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
  )
