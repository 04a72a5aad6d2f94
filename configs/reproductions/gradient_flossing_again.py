"""Gradient flossing on delayed XOR with twenty seeds of its own (Engelken 2023).

  python -m experiments.reproduce \
    --config=configs/reproductions/gradient_flossing_again.py \
    --workdir=reproductions/flossing_again

Ten seeds left open whether flossing helps (`gradient_flossing.py`: 5 successes against
1, McNemar p = .12). These are twenty others, 10 to 29, with the same settings and the
same criteria; nothing was chosen by them. Time: half an hour on one core, twice that
of ten seeds. `:tiny` takes seconds.

Published: flossing raises the rate and the speed of success. Expected: the rates of the
first ten, which twenty seeds tell apart in two of three such experiments.
"""

from configs.reproductions import gradient_flossing
from rnn_research.report.reproduction import Finding
from rnn_research.report.study import Study
from rnn_research.study import Plan

SEEDS = range(10, 30)


def get_plan(variant: str = "") -> Plan:
  return gradient_flossing.plan_of(SEEDS, variant)


def judge(study: Study) -> list[Finding]:
  """The same questions."""
  return gradient_flossing.judge(study)
