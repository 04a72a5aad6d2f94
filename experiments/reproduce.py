"""A published result, run again: protocol, training, page, and how it compares.

  python -m experiments.reproduce --config=configs/reproductions/NAME.py --workdir=DIR

NAME: closed_form_rates, chrono_adding, pascanu_temporal_order, gradient_flossing;
`NAME.py:tiny` shows the whole way with numbers that mean nothing. The same command
goes on where it was stopped. A criterion that failed is a result: exit code 0.
"""

import pathlib
import signal

from absl import flags, logging

from rnn_research import command, report
from rnn_research.config_flags import call
from rnn_research.report.reproduction import table, write_findings
from rnn_research.report.study import read_study
from rnn_research.study import freeze, run_arms
from rnn_research.training.devices import set_up

_CONFIG = flags.DEFINE_string(
  "config", None, "File with get_plan(variant) and judge(study).", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.", required=True)
_TRAIN = flags.DEFINE_bool("train", True, "False judges the records that are there.")
_CPU_DEVICES = flags.DEFINE_integer(
  "cpu_devices",
  0,
  "Devices that the CPU is split into; 0 is one a core.",
  lower_bound=0,
)

PREEMPTED = 75


def main(_):
  """Freezes the protocol, runs what isn't finished, compares."""
  set_up(_CPU_DEVICES.value)
  folder = pathlib.Path(_WORKDIR.value)
  plan, names = call(_CONFIG.value, "get_plan")
  if _TRAIN.value:
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    freeze(folder, plan)
    if not run_arms(folder, plan.arms, stop=lambda: bool(stopping)):
      logging.info("stopped; the same command goes on")
      return PREEMPTED
  findings = names["judge"](read_study(folder))
  obtained = write_findings(folder, findings)
  page = report.write(folder)
  print(table(findings))
  logging.info("the page is at %s, the table in %s", page.absolute(), obtained)
  return 0


if __name__ == "__main__":
  command.run(main)
