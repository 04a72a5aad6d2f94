"""A study: arms that are compared, a protocol frozen before the first of them runs.

STUDY/protocol.json   arms, seeds, budget, thresholds, comparisons, and their hash
STUDY/runs/ARM/       a run directory each
STUDY/report.html     the page, and figures/ beside it
"""

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import logging

from rnn_research.config import Config
from rnn_research.errors import WorkdirError
from rnn_research.report.study import THRESHOLDS, protocol_hash
from rnn_research.training.devices import forget_programs
from rnn_research.training.run import never
from rnn_research.training.run_directory import jsonable, write_json
from rnn_research.training.source import Source
from rnn_research.training.start import start
from rnn_research.validation import validate

# Arms whose programs may be in memory together: a process can map 65,530 pieces of it
# (Linux), and the code of 80 runs of different networks takes them all.
KEPT = 20


class Arm(NamedTuple):
  """One run of a study.

  Attributes:
    name: of its run directory.
    label: what the page calls it.
    group: "synthetic", "digits", "fault" (a planted one), "initialisation"
      (measured before training and not trained), or "dose" (of a cure).
    knob: the setting that is turned within a family of arms; None if none is.
    value: where the knob stands.
    config: the whole run.
  """

  name: str
  label: str
  group: str
  knob: str | None
  value: float | None
  config: Config

  def entry(self) -> dict[str, Any]:
    """What the protocol says of the arm."""
    config = self.config
    return {
      "name": self.name,
      "label": self.label,
      "group": self.group,
      "problem": config.task.name or config.data.name,
      "length": config.task.length if config.task.name else None,
      "cell": config.model.cell,
      "knob": self.knob,
      "value": self.value,
      "config": dataclasses.asdict(config),
    }


class Plan(NamedTuple):
  """What is decided before anything runs.

  Attributes:
    title: of the page.
    question: what the study asks.
    arms: in the order in which they run.
    budget: what every arm was given, tuning included.
    comparisons: the declared family: name, two arms, measure, expectation.
    baselines: what the arms are held against.
    doses: cures to be shown by setting, as `report.doses` reads them.
  """

  title: str
  question: str
  arms: Sequence[Arm]
  budget: dict[str, Any]
  comparisons: Sequence[dict[str, Any]]
  baselines: Sequence[str]
  doses: Sequence[dict[str, Any]] = ()


def freeze(folder: pathlib.Path, plan: Plan) -> None:
  """Checks every arm, then writes `protocol.json` or finds the same one there.

  Raises:
    UserError: an arm can't be run.
    WorkdirError: the folder holds another study, or can't be written.
  """
  for arm in plan.arms:
    validate(arm.config)
    Source(arm.config).close()  # knows the shortest length, and whether data are there
  protocol = {
    "title": plan.title,
    "question": plan.question,
    "seeds": max(arm.config.seeds for arm in plan.arms),
    "budget": plan.budget,
    "thresholds": THRESHOLDS,
    "arms": [arm.entry() for arm in plan.arms],
    "comparisons": list(plan.comparisons),
    "baselines": list(plan.baselines),
    "doses": list(plan.doses),
  }
  protocol = jsonable(protocol)
  file = folder / "protocol.json"
  try:
    folder.mkdir(parents=True, exist_ok=True)
    if file.exists():
      frozen = json.loads(file.read_text())
      if any(frozen.get(name) != value for name, value in protocol.items()):
        raise WorkdirError(
          "--workdir",
          f"{folder} holds a study with another protocol",
          "choose another folder, or remove this one",
        )
      return
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    protocol["created"] = created
    protocol["sha256"] = protocol_hash(protocol)
    write_json(file, protocol)
  except (OSError, ValueError) as error:
    raise WorkdirError(
      "--workdir", f"{folder} can't be used ({error})", "choose another folder"
    ) from error


def run_arms(
  folder: pathlib.Path, arms: Sequence[Arm], stop: Callable[[], bool] = never
) -> bool:
  """Runs every arm that isn't finished; True if all are."""
  for number, arm in enumerate(arms, start=1):
    run = start(arm.config, str(folder / "runs" / arm.name), name=arm.name)
    status = run.train(stop)
    if status["state"] != "finished":
      return False
    logging.info(
      "%d of %d arms: %s, %.0f s", number, len(arms), arm.label, status["seconds"]
    )
    if number % KEPT == 0:
      forget_programs()
  return True
