"""An episode's row is what its ledger holds, by hand."""

import math

import numpy as np

from rnn_research.report.accounts import account
from rnn_research.report.episodes import Episode


def ledger():
  """Steps 101 to 120; the episode is steps 105 to 107."""
  count = np.arange(20.0)
  return np.arange(101, 121), {
    "norm_before": np.where((count > 3) & (count < 7), 10 * count, 1.0),
    "shrink": np.where(count == 5, 0.02, 1.0),
    "update_norm": np.where(count == 6, 0.43, np.where(count == 9, 7.0, 0.05)),
    "cosine": np.where(count == 4, -0.2, 0.7),
    "loss": 2.0 + count,
  }


def test_a_row_is_read_from_the_steps_of_its_episode():
  steps, columns = ledger()
  found = account(Episode(105, 107, 60.0, "recovered"), steps, columns, 5)
  # Five steps behind the last of it is the twelfth; step 110 is not part of it.
  assert found._replace(relative=0) == (60.0, 0.02, 0.43, 0, -0.2, 13.0)
  assert math.isnan(found.relative)  # of a ledger without that column


def test_what_is_not_finite_is_left_out():
  steps, columns = ledger()
  columns["norm_before"][6:] = np.inf
  columns["loss"][8:] = np.nan
  columns["shrink"][:] = np.nan
  found = account(Episode(105, 107, 50.0, "unrecovered"), steps, columns, 50)
  assert (found.asked, found.loss_after) == (50.0, 9.0)
  assert math.isnan(found.shrink)
