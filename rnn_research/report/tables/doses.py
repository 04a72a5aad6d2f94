"""The table of cures: what was turned, what moved, and what it did to the task."""

import html
import math

from rnn_research.report import wording
from rnn_research.report.doses import WORDS, Response, responses
from rnn_research.report.statistics import mean_interval
from rnn_research.report.study import Study
from rnn_research.report.tables.markup import table

HEADS = ["Cure", "Knob", "Should be", "Number by setting", "Change", "p", "Solved"]


def draw(study: Study) -> str:
  """One row a cure; "" where none is declared."""
  rows = [_row(response) for response in responses(study)]
  if not rows:
    return ""
  return table(
    HEADS,
    rows,
    "Table #. Cures, from the smallest dose to the largest. Number: mean over seeds."
    " Change: largest dose against smallest, of the distance to where the number should"
    " go, mean of paired differences with 95% t interval; below 0 is as expected. p:"
    " sign-flip permutation of those, two-sided, one test a cure, not adjusted.",
  )


def _row(response: Response) -> list[str]:
  numbers = "<br>".join(
    html.escape(f"{dose.label}: {mean_interval(dose.number).mean:.3g}")
    for dose in response.doses
  )
  change = response.change
  seen = f"{change.mean:.3g} [{change.low:.3g}, {change.high:.3g}]"
  word = {True: "as expected", False: "the other way", None: "not seen"}
  solved = ", ".join(f"{d.outcome.wins}/{d.outcome.count}" for d in response.doses)
  return [
    f"<b>{html.escape(response.name)}</b><small>{html.escape(response.paper)}</small>",
    html.escape(response.knob),
    f"{html.escape(response.measure)}<small>{WORDS[response.toward]}</small>",
    numbers,
    f"{html.escape(seen)}<small>{word[response.moved]}</small>",
    html.escape(wording.p_value(response.p)) if math.isfinite(response.p) else "–",
    solved,
  ]
