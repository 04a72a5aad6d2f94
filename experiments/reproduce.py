"""A published result, run again: protocol, training, page, and how it compares.

  python -m experiments.reproduce --config=configs/reproductions/NAME.py --workdir=DIR

NAME: closed_form_rates, chrono_adding, pascanu_temporal_order, pascanu_length_100,
gradient_flossing, gradient_flossing_again; `NAME.py:tiny` shows the whole way with
numbers that mean nothing. The same command goes on where it was stopped. A criterion
that failed is a result: exit code 0.
"""

import pathlib

from absl import flags, logging

from experiments.conduct import conduct
from experiments.workdir import WORKDIR
from rnn_research import command, report
from rnn_research.config_flags import call
from rnn_research.report.reproduction import table, write_findings
from rnn_research.report.study import read_study

_CONFIG = flags.DEFINE_string(
  "config", None, "File with get_plan(variant) and judge(study).", required=True
)
_TRAIN = flags.DEFINE_bool("train", True, "False judges the records that are there.")


def main(_):
  """Conducts the study, and compares."""
  folder = pathlib.Path(WORKDIR.value)
  plan, names = call(_CONFIG.value, "get_plan")
  if _TRAIN.value:
    stopped = conduct(plan)
    if stopped:
      return stopped
  else:
    report.write(folder)
  findings = names["judge"](read_study(folder))
  obtained = write_findings(folder, findings)
  print(table(findings))
  logging.info("the table is in %s", obtained)
  return 0


if __name__ == "__main__":
  command.run(main)
