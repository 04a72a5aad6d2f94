"""What is measured: a cell, the sizes of one layer, and a direction."""

from collections.abc import Sequence
from typing import NamedTuple

from rnn_research.errors import UserError

CELLS = ("rnn", "gru", "lstm")
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
DIRECTIONS = ("forward", "gradient")


class Shape(NamedTuple):
  """Sizes of one layer: batch and time of the input, its features, hidden units."""

  batch: int
  time: int
  input: int
  hidden: int

  def __str__(self):
    """As `read_shapes` reads it."""
    return "x".join(map(str, self))


class Entry(NamedTuple):
  """One line of the tables."""

  cell: str
  shape: Shape
  direction: str

  def __str__(self):
    """As it stands in the tables."""
    return f"{self.cell} {self.shape} {self.direction}"

  def work(self) -> float:
    """Floating-point operations of the matrix products."""
    batch, time, features, hidden = self.shape
    one = 2.0 * batch * time * (features + hidden) * hidden * GATES[self.cell]
    return one if self.direction == "forward" else 3 * one


# One sequence; a long one; small models as in studies of memory; layers as in
# applications; one in which nothing but the products counts.
SHAPES = (
  Shape(1, 500, 32, 64),
  Shape(16, 500, 8, 64),
  Shape(8, 5000, 8, 64),
  Shape(20, 100, 6, 50),
  Shape(128, 28, 28, 128),
  Shape(32, 128, 64, 128),
  Shape(64, 128, 64, 256),
  Shape(16, 200, 256, 512),
  Shape(128, 64, 256, 512),
)


def read_shapes(texts: Sequence[str]) -> list[Shape]:
  """Shapes from `batchxtimexinputxhidden`.

  Raises:
    UserError: a text is not four positive sizes.
  """
  shapes = []
  for text in texts:
    sizes = text.strip().split("x")
    if len(sizes) != 4 or not all(s.isdecimal() and int(s) for s in sizes):
      raise UserError("--shapes", f"{text!r} is not four sizes", "write 32x128x64x128")
    shapes.append(Shape(*map(int, sizes)))
  return shapes


def read_sizes(flag: str, texts: Sequence[str]) -> list[int]:
  """Ascending positive numbers: time steps, sequences, hidden units, seeds.

  Raises:
    UserError: there is none, or one isn't a positive number.
  """
  for text in texts:
    if not (text.strip().isdecimal() and int(text)):
      raise UserError(flag, f"{text!r} is not a size", "write 100,1000")
  if not texts:
    raise UserError(flag, "empty", "write 100,1000")
  return sorted({int(text) for text in texts})


def read_names(
  flag: str, names: Sequence[str], known: Sequence[str]
) -> tuple[str, ...]:
  """Names in the order in which they are known.

  Raises:
    UserError: there is none, or one is unknown.
  """
  unknown = [name for name in names if name not in known]
  if unknown or not names:
    problem = f"{unknown[0]!r} is unknown" if unknown else "empty"
    raise UserError(flag, problem, f"choose from {', '.join(known)}")
  return tuple(name for name in known if name in names)


def make_entries(
  cells: Sequence[str], shapes: Sequence[Shape], directions: Sequence[str]
) -> list[Entry]:
  """Every cell at every shape in every direction."""
  return [
    Entry(cell, shape, direction)
    for direction in directions
    for cell in cells
    for shape in shapes
  ]
