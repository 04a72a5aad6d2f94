"""What the ledger says of one instability episode, in one row."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rnn_research.report.episodes import Episode


class Account(NamedTuple):
  """One episode by its ledger; NaN where nothing finite was written.

  The clip shows what was asked for and what was let through. That is not enough: a run
  can be lost at an ordinary gradient, by an update that has grown.

  Attributes:
    asked: largest gradient norm, before the clip.
    shrink: least share of it that the clip left.
    update: largest |update|.
    relative: largest |update| / |parameters|.
    cosine: least cosine of update and negative gradient.
    loss_after: the loss when its time to be back is over, or the last finite one.
  """

  asked: float
  shrink: float
  update: float
  relative: float
  cosine: float
  loss_after: float


def account(
  episode: Episode,
  steps: Int[np.ndarray, "steps"],
  ledger: Mapping[str, Float[np.ndarray, "steps"]],
  recovery: int,
) -> Account:
  """Reads an episode's account from the ledger of its seed.

  Args:
    episode: of the seed.
    steps: of the ledger, counted from the start of training.
    ledger: one column a name; one that is missing is NaN in the account.
    recovery: steps behind the episode's last that the loss has to be back.
  """
  first, last = map(int, np.searchsorted(steps, [episode.start, episode.end]))

  def of(name: str, choose: Callable[[Any], Any], begin: int, end: int) -> float:
    values = ledger.get(name, np.array([]))[begin : end + 1]
    values = values[np.isfinite(values)]
    return float(choose(values)) if len(values) else float("nan")

  return Account(
    asked=of("norm_before", np.max, first, last),
    shrink=of("shrink", np.min, first, last),
    update=of("update_norm", np.max, first, last),
    relative=of("update_relative", np.max, first, last),
    cosine=of("cosine", np.min, first, last),
    loss_after=of("loss", lambda values: values[-1], 0, last + recovery),
  )
