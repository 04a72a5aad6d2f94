"""A figure together with the words that stand around it."""

import re
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from rnn_research.report.study import Arm


class Picture(NamedTuple):
  """One figure of the page.

  Attributes:
    name: of its files.
    title: what is seen, computed from the records.
    figure: the drawing.
    caption: sentences with the numbers of this study, and how to read it.
    limits: what the figure does not show.
    arms: the arms it is drawn from.
  """

  name: str
  title: str
  figure: Figure
  caption: tuple[str, ...]
  limits: str
  arms: tuple[Arm, ...]


def save(picture: Picture, folder: Path) -> str:
  """Write `<name>.svg` and `<name>.pdf`; return the SVG to stand in a page.

  Every id in the returned text carries the picture's name, so that several
  pictures fit in one document.
  """
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f"{picture.name}.svg"
  # no date: the same records give the same bytes
  picture.figure.savefig(path, metadata={"Date": None})
  # the layout just found holds for both formats
  picture.figure.set_layout_engine("none")
  picture.figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
  text = path.read_text()
  text = text[text.index("<svg") :]
  text = re.sub(r'\bid="', f'id="{picture.name}-', text)
  text = re.sub(r'href="#', f'href="#{picture.name}-', text)
  text = re.sub(r"url\(#", f"url(#{picture.name}-", text)
  return text.replace("<svg", f'<svg role="img" aria-label="{picture.name}"', 1)
