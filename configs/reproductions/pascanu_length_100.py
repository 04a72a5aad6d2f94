"""Clipping on the temporal order problem at L = 100 (Pascanu, Mikolov and Bengio 2013).

  python -m experiments.reproduce \
    --config=configs/reproductions/pascanu_length_100.py \
    --workdir=reproductions/pascanu_100

The arms of `pascanu_temporal_order.py`, whose text says what is and what isn't as
published, at twice its greatest length. A gradient that has to cross 50 steps and more
is left to Omega, if to anything.

Published: figure 7 there (a plot of rates against length, no numbers): at this length
the rate with Omega lies above that of the clip alone. Expected: without Omega no seed
succeeds within 200,000 updates, with it some may. Time: one hour to two on two cores.
`:tiny` takes seconds.
"""

from configs.reproductions.pascanu_temporal_order import judge_lengths, plan_of
from rnn_research.report.reproduction import Finding
from rnn_research.report.study import Study
from rnn_research.study import Plan

LENGTHS = (100,)


def get_plan(variant: str = "") -> Plan:
  return plan_of(LENGTHS, variant)


def judge(study: Study) -> list[Finding]:
  """First successes of each arm; the plateau, and where the radius ends."""
  return judge_lengths(study, LENGTHS)
