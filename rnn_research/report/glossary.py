"""The page's terms, explained where the reader meets them."""

import html
import re

TERMS = {
  "gain": (
    "How much of a gradient is left after it has been sent back over some "
    "steps. On this page as log10: 0 = all of it, −5 = 1/100,000 of it."
  ),
  "lag": ("How many steps back from the last valid step, which is lag 0."),
  "adjoint": (
    "The derivative of one example's loss with respect to the network's "
    "state at one time step; for an LSTM, with respect to its memory c with "
    "everything that reads c counted."
  ),
  "carry": (
    "Everything a cell hands from one time step to the next: h for an RNN "
    "or a GRU, c and h for an LSTM."
  ),
  "event": (
    "A time step at which the input holds a symbol that has to be "
    "remembered; the first event is the farthest from the end."
  ),
  "episode": (
    "A stretch of steps whose gradient norm, before clipping, is far above "
    "its own running median."
  ),
  "coherence": (
    "How far batches agree on a gradient: the part of its square that they have "
    "in common. 1 = all agree, 0 = noise."
  ),
  "swapped": (
    "One input symbol, the event's, is replaced by another, and the network is "
    "run forward again: an answer that follows has been remembered."
  ),
  "saturated": (
    "Near an end of its range, where a gate hardly answers: next to no gradient "
    "passes to what it is computed from."
  ),
  "time scale": (
    "Steps in which a unit's own memory fades to 1/e, were nothing written to it."
  ),
  "truncation": ("Cutting the gradient off after a number of steps back in time."),
  "loss curve": (
    "Gain of the loss's own gradient: |P_k' a| / |a|, with a the adjoint of "
    "the last state and P_k the product of the last k Jacobians."
  ),
  "rms curve": (
    "Gain averaged over all directions of the state: the Frobenius norm of "
    "P_k divided by the square root of the state's size."
  ),
  "sup gain": (
    "Gain of the direction that keeps most: the largest singular value of P_k, "
    "from below, by four steps of power iteration."
  ),
  "path curve": (
    "What of the loss's own gradient never passes a recurrent weight: a GRU's "
    "update gates multiplied up, an LSTM's forget gates."
  ),
  "wilson interval": (
    "95% interval of a rate that stays between 0 and 1 and is right for few "
    "seeds (Wilson 1927)."
  ),
  "t interval": ("95% interval of a mean over seeds by Student's t."),
  "clipped": ("The gradient was scaled down to the allowed norm before the update."),
  "solved": (
    "Fraction of wrong held-out sequences below the protocol's threshold at "
    "the last step of the fixed budget."
  ),
}

_PATTERN = re.compile(
  r"\b(" + "|".join(sorted(map(re.escape, TERMS), key=len, reverse=True)) + r")(s?)\b",
  re.IGNORECASE,
)


def mark(text: str) -> str:
  """Escape plain text for HTML and explain each term at its first use."""
  seen: set[str] = set()

  def explain(match: re.Match[str]) -> str:
    term = match.group(1).lower()
    if term in seen:
      return match.group(0)
    seen.add(term)
    meaning = html.escape(TERMS[term], quote=True)
    return f'<abbr title="{meaning}">{match.group(0)}</abbr>'

  return _PATTERN.sub(explain, html.escape(text, quote=False))


def listed() -> str:
  """All terms as an HTML definition list, for paper and touch screens."""
  items = (
    f"<dt>{html.escape(term)}</dt><dd>{html.escape(meaning)}</dd>"
    for term, meaning in TERMS.items()
  )
  return f"<dl>{''.join(items)}</dl>"
