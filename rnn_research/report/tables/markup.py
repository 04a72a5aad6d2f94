"""HTML of a table and of what stands in its cells."""

import html

from rnn_research.report import glossary, style, wording
from rnn_research.report.statistics import Interval
from rnn_research.report.study import Arm

BAR = 84


def table(heads: list[str], rows: list[list[str]], caption: str) -> str:
  """A table; heads and caption are plain text, cells are HTML.

  The page counts the `Table #` of the captions.
  """
  head = "".join(f"<th>{glossary.mark(text)}</th>" for text in heads)
  body = "".join(
    f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows
  )
  return (
    f"<figure class='table'><figcaption>{glossary.mark(caption)}</figcaption>"
    f"<div class='scroll'><table><thead><tr>{head}</tr></thead>"
    f"<tbody>{body}</tbody></table></div></figure>"
  )


def arm_name(arm: Arm) -> str:
  """The arm's label, and its cell if the label doesn't say it."""
  look = style.cell_style(arm.cell)
  chip = f"<span class='chip' style='background:{look.colour}'></span>"
  label, name = html.escape(arm.label), html.escape(style.cell_name(arm))
  cell = "" if name in label else f"<small>{name}</small>"
  return f"<span class='arm'>{chip}{label}{cell}</span>"


def knob(arm: Arm) -> str:
  """The knob of an arm's family and where it stands."""
  if arm.knob is None:
    return "–"
  name = html.escape(arm.knob.replace("_", " "))
  return name if arm.value is None else f"{name}<small>{arm.value:g}</small>"


def problem(arm: Arm) -> str:
  """The arm's problem and its length."""
  name = html.escape(arm.problem.replace("_", " "))
  return name if arm.length is None else f"{name}<small>T = {arm.length}</small>"


def two_lines(value: Interval, digits: int = 2) -> str:
  """A mean with its interval in small print below."""
  mean = wording.number(value.mean, digits)
  ends = f"{wording.number(value.low, digits)}, "
  ends += wording.number(value.high, digits)
  known = value.low == value.low
  return f"{mean}<small>[{ends}]</small>" if known else mean


def rate_bar(rate: float, low: float, high: float, colour: str) -> str:
  """A rate between 0 and 1 as a dot on its interval, drawn as SVG."""
  x, left, right = (5 + BAR * value for value in (rate, low, high))
  return (
    f"<svg class='bar' width='{BAR + 10}' height='14' role='img'"
    f" aria-label='{rate:.2f}, interval {low:.2f} to {high:.2f}'>"
    f"<line x1='5' y1='7' x2='{BAR + 5}' y2='7' stroke='{style.FAINT}'/>"
    f"<line x1='{left:.1f}' y1='7' x2='{right:.1f}' y2='7'"
    f" stroke='{colour}' stroke-width='3' stroke-opacity='.45'/>"
    f"<circle cx='{x:.1f}' cy='7' r='4' fill='{colour}'/></svg>"
  )
