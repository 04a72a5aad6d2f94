"""The way of every study from its plan to its page, and the flags that it needs."""

import pathlib
import signal
from collections.abc import Callable
from typing import Any

from absl import flags, logging

from experiments.workdir import WORKDIR
from rnn_research import report
from rnn_research.study import Arm, Plan, freeze, run_arms
from rnn_research.training.devices import set_up
from rnn_research.training.run_directory import write_json

_CPU_DEVICES = flags.DEFINE_integer(
  "cpu_devices",
  0,
  "Devices that the CPU is split into; 0 is one a core.",
  lower_bound=0,
)

PREEMPTED = 75


def conduct(
  plan: Plan,
  baseline: Callable[[], dict[str, Any]] | None = None,
  finish: Callable[[Arm, pathlib.Path], None] | None = None,
) -> int:
  """Freezes the protocol, runs what isn't finished, writes the page.

  Args:
    plan: of the study.
    baseline: measures what `baseline.json` holds, before the folder is claimed.
    finish: called with every arm and its folder once all of them have run.

  Returns:
    The exit code: 0, or `PREEMPTED` after a SIGTERM, and the same command goes on.
  """
  set_up(_CPU_DEVICES.value)
  stopping = []
  signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
  folder = pathlib.Path(WORKDIR.value)
  measured = None if baseline is None else baseline()
  freeze(folder, plan)
  if measured is not None:
    write_json(folder / "baseline.json", measured)
  if not run_arms(folder, plan.arms, stop=lambda: bool(stopping)):
    logging.info("stopped; the same command goes on")
    return PREEMPTED
  if finish is not None:
    for arm in plan.arms:
      finish(arm, folder / "runs" / arm.name)
      if stopping:
        return PREEMPTED
  page = report.write(folder)
  logging.info("the page is at %s", page.absolute())
  return 0
