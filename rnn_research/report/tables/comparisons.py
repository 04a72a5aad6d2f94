"""The table of the comparisons that the protocol declared."""

import html
import math

from rnn_research.report import wording
from rnn_research.report.comparisons import compare
from rnn_research.report.study import Study
from rnn_research.report.tables.markup import table

HEADS = ["Comparison", "Expected", "Seen", "p", "p (Holm)"]


def draw(study: Study) -> str:
  """One row per declared comparison."""
  rows = []
  for entry in compare(study):
    known = math.isfinite(entry.p)
    who = html.escape(f"{entry.arms[0]} against {entry.arms[1]}")
    rows.append(
      [
        f"<b>{html.escape(entry.name)}</b><small>{who}</small>",
        html.escape(entry.expect) or "–",
        html.escape(entry.seen),
        html.escape(wording.p_value(entry.p)) if known else "–",
        html.escape(wording.p_value(entry.adjusted)) if known else "–",
      ]
    )
  if not rows:
    return ""
  return table(
    HEADS,
    rows,
    "Table #. Comparisons declared before the first run. Rates: difference with"
    " Newcombe's 95% interval and Fisher's exact test, two-sided, unpaired (the"
    " arms share their data, not their weights); means: Welch's t. Holm's"
    " adjustment covers this table.",
  )
