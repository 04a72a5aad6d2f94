"""What `scaling` measures: sweeps of one size, and grids of seeds and devices."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.entries import Shape, read_sizes
from benchmarks.scaling_programs import APART, DEFAULT_LOOP, LOOPS, Subject
from rnn_research.errors import UserError


class Group(NamedTuple):
  """Programs that are measured against each other.

  Attributes:
    name: for the log.
    varied: field of the shape that differs; None where the seeds do.
    subjects: the programs.
  """

  name: str
  varied: str | None
  subjects: tuple[Subject, ...]


def read_sweep(flag: str, texts: Sequence[str]) -> list[int]:
  """Two or more sizes.

  Raises:
    UserError: one is not a size, or there is no slope through so few.
  """
  sizes = read_sizes(flag, texts)
  if len(sizes) < 2:
    raise UserError(flag, f"{sizes[0]} alone has no slope", "give two sizes or more")
  return sizes


def make_groups(
  cell: str,
  base: Shape,
  sweeps: Mapping[str, Sequence[int]],
  seeds: Sequence[int],
  devices: Sequence[int],
  also_hidden: Sequence[int],
  apart: bool,
) -> list[Group]:
  """All that is measured of one cell.

  Args:
    cell: its name.
    base: what doesn't vary.
    sweeps: sizes, by field of the shape.
    seeds: numbers of them.
    devices: numbers of them.
    also_hidden: widths for the most seeds on the most devices.
    apart: whether to measure these in processes of their own, too.
  """
  groups = [
    Group(
      f"{cell}, {varied}",
      varied,
      tuple(Subject(cell, base._replace(**{varied: size})) for size in sizes),
    )
    for varied, sizes in sweeps.items()
  ]
  grid = tuple(
    Subject(cell, base, count, number, loop)
    for number in devices
    for loop in LOOPS
    for count in seeds
  )
  for hidden in (base.hidden, *also_hidden):
    shape = base._replace(hidden=hidden)
    most = Subject(cell, shape, max(seeds), max(devices), DEFAULT_LOOP)
    several = list(grid) if hidden == base.hidden else [most]
    if apart:
      several.append(most._replace(loop=APART))
    name = f"{cell}, seeds, hidden {hidden}"
    groups.append(Group(name, None, (Subject(cell, shape), *several)))
  return groups
