"""What studies of arms share: their flags, and the way from the plan to the page."""

import dataclasses
import pathlib
import signal
from collections.abc import Callable
from typing import Any

from absl import flags, logging

from experiments.workdir import WORKDIR
from rnn_research import report
from rnn_research.config import Config, DiagnosticsConfig, TrainConfig
from rnn_research.study import Arm, Plan, freeze, run_arms
from rnn_research.training.devices import set_up
from rnn_research.training.run_directory import write_json

TINY = flags.DEFINE_bool("tiny", False, "Every part, much too small to mean anything.")
TASK = flags.DEFINE_string("task", "temporal_order", "Synthetic task.")
LENGTHS = flags.DEFINE_list("lengths", ["30", "60"], "Task lengths, ascending.")
SEEDS = flags.DEFINE_integer("seeds", 10, "Seeds of a synthetic arm.", lower_bound=1)
STEPS = flags.DEFINE_integer(
  "steps", None, "Updates of a synthetic arm; none is the study's own.", lower_bound=0
)
_CPU_DEVICES = flags.DEFINE_integer(
  "cpu_devices",
  0,
  "Devices that the CPU is split into; 0 is one a core.",
  lower_bound=0,
)

PREEMPTED = 75
# From pilot runs on seeds that are not reported; BUILD_NOTES.md says which.
LEARNING_RATES = {"rnn": 1e-3, "gru": 2e-3, "lstm": 2e-3}
UNTUNED = 1e-3
NAMES = {"rnn": "tanh RNN", "gru": "GRU", "lstm": "LSTM"}


def lengths() -> list[int]:
  """Of the flag."""
  return [int(length) for length in LENGTHS.value]


def steps(default: int) -> int:
  """Of the flag, or the study's own."""
  return default if STEPS.value is None else STEPS.value


def shrunk(config: Config) -> Config:
  """The same run through every stage, in seconds."""
  return dataclasses.replace(
    config,
    seeds=2,
    model=dataclasses.replace(config.model, hidden=8),
    train=TrainConfig(
      steps=min(config.train.steps, 20),
      batch=4,
      log_every=10,
      eval_every=10,
      eval_examples=100,
      test_examples=100,
      checkpoint_every=0,
    ),
    diagnostics=DiagnosticsConfig(lag_every=10, lag_examples=4),
  )


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
