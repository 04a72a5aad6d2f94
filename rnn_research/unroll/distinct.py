"""Trees in which the same array stands more than once."""

import dataclasses
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Distinct:
  """A tree without its repetitions: a scan stores each array once.

  The sum of two terms hands the same cotangent to both; an Elman cell's activation
  is its carry. The compiler doesn't see that two stacks are equal.

  Attributes:
    leaves: each array once.
    positions: for every leaf of the tree, its place in `leaves`.
    structure: of the tree.
  """

  leaves: Any
  positions: Any = dataclasses.field(metadata={"static": True})
  structure: Any = dataclasses.field(metadata={"static": True})

  @classmethod
  def of(cls, tree: Any) -> "Distinct":
    """Packs a tree."""
    flat, structure = jax.tree.flatten(tree)
    leaves, places = [], {}
    for leaf in flat:
      if id(leaf) not in places:
        places[id(leaf)] = len(leaves)
        leaves.append(leaf)
    return cls(tuple(leaves), tuple(places[id(leaf)] for leaf in flat), structure)

  def tree(self) -> Any:
    """Unpacks it."""
    flat = [self.leaves[position] for position in self.positions]
    return jax.tree.unflatten(self.structure, flat)
