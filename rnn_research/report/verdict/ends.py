"""How the networks before and after training look in every figure of a verdict."""

from typing import NamedTuple

from rnn_research.report import style


class End(NamedTuple):
  """The look of a curve that belongs to one end of training."""

  colour: str
  linestyle: str
  name: str


def ends(cell: str, count: int) -> tuple[End, ...]:
  """The looks of one end or of both, in the order of the records.

  Args:
    cell: whose colour the last one has.
    count: 1 is a run that wasn't trained.
  """
  colour = style.cell_style(cell).colour
  if count == 1:
    return (End(colour, "-", "before training"),)
  return End(style.MUTED, "--", "before training"), End(colour, "-", "at the end")
