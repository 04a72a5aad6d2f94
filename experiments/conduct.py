"""The way of every study from its plan to its page, and the flags that it needs."""

import pathlib
import time
from collections.abc import Callable, Collection
from typing import Any

from absl import logging

from experiments.cpu_devices import CPU_DEVICES
from experiments.preemption import PREEMPTED, watch
from experiments.workdir import WORKDIR
from rnn_research import report
from rnn_research.report import verdict
from rnn_research.study import Arm, Plan, freeze, run_arms
from rnn_research.training.devices import set_up
from rnn_research.training.run_directory import write_json
from rnn_research.verdict import diagnose, open_run


def conduct(
  plan: Plan,
  baseline: Callable[[], dict[str, Any]] | None = None,
  judged: Collection[str] = (),
) -> int:
  """Freezes the protocol, runs what isn't finished, writes the page.

  Args:
    plan: of the study.
    baseline: measures what `baseline.json` holds, before the folder is claimed.
    judged: groups whose arms get a verdict page each.

  Returns:
    The exit code: 0, or `PREEMPTED` after a SIGTERM, and the same command goes on.
  """
  set_up(CPU_DEVICES.value)
  stopping = watch()
  folder = pathlib.Path(WORKDIR.value)
  measured = None if baseline is None else baseline()
  freeze(folder, plan)
  if measured is not None:
    write_json(folder / "baseline.json", measured)
  if not run_arms(folder, plan.arms, stop=stopping):
    logging.info("stopped; the same command goes on")
    return PREEMPTED
  arms = [arm for arm in plan.arms if arm.group in judged]
  for number, arm in enumerate(arms, 1):
    if stopping():
      logging.info("stopped; the same command goes on")
      return PREEMPTED
    seconds = _judge(arm, folder)
    logging.info("%d of %d verdicts: %s, %.0f s", number, len(arms), arm.label, seconds)
  page = report.write(folder)
  logging.info("the page is at %s", page.absolute())
  return 0


def _judge(arm: Arm, folder: pathlib.Path) -> float:
  begin = time.monotonic()
  own = folder / "runs" / arm.name
  diagnose(open_run(own))
  verdict.write(own)
  return time.monotonic() - begin
