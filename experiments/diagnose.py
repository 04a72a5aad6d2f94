"""The verdict on one run: does the gradient fade, pass or blow up, and what of it?

  python -m experiments.diagnose --config=configs/temporal_order.py --workdir=runs/first
  python -m experiments.diagnose --run=runs/first

The first form trains the run, or goes on with it; the second takes a finished one.
Prints the verdict and writes DIR/verdict.html, from DIR/diagnosis.json, where the
networks of both ends are measured once more, and other starts without training.

Exit codes: 0 written, 2 bad input, 75 preempted by SIGTERM while training.
"""

import pathlib

from absl import flags, logging

from experiments import flag_values
from experiments.cpu_devices import CPU_DEVICES
from experiments.preemption import PREEMPTED, watch
from rnn_research import command
from rnn_research.errors import UserError
from rnn_research.report import verdict as page
from rnn_research.training.devices import set_up
from rnn_research.training.start import start
from rnn_research.verdict import diagnose, open_run

_CONFIG = command.define_config(needed=False)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run to train.")
_RUN = flags.DEFINE_string("run", None, "Folder of a finished run.")
flag_values.some("workdir")
flag_values.some("run")


def main(_):
  """Trains if need be, measures, writes the page and prints it."""
  trained = _CONFIG.value is not None and _WORKDIR.value is not None
  if trained == (_RUN.value is not None) or (_CONFIG.value is None) != (
    _WORKDIR.value is None
  ):
    raise UserError(
      "flags",
      "neither one run to train nor one to read is named",
      "give --config and --workdir, or --run alone",
    )
  set_up(CPU_DEVICES.value)
  folder = pathlib.Path(_RUN.value or _WORKDIR.value)
  if trained:
    stopping = watch()
    status = start(_CONFIG.value, str(folder)).train(stop=stopping)
    if status["state"] == "interrupted":
      logging.info("stopped at step %d; the same command goes on", status["step"])
      return PREEMPTED
  diagnose(open_run(folder))
  file = page.write(folder)
  print(page.plain(folder))
  logging.info("the page is at %s", file.absolute())
  return 0


if __name__ == "__main__":
  command.run(main)
