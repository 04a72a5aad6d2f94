"""How often the alarms are right: runs with and without planted faults, in a table.

  python -m experiments.confusion --workdir=confusion

Trains small runs, healthy and broken in known ways, on two disjoint sets of seeds: the
rules were set on the one called tuning and are reported on the other. The same command
goes on where it was stopped; with all runs there, only the table is written anew.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from absl import logging

from experiments import confusion_table
from experiments.planted_faults import FAULTS, planted
from experiments.preemption import PREEMPTED, watch
from experiments.workdir import WORKDIR
from rnn_research import command
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  InitConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.training.devices import set_up
from rnn_research.training.run_directory import write_json
from rnn_research.training.start import start
from rnn_research.verdict import FILE, measure_ends, open_run

# First seeds; each run has two.
SPLITS = {"tuning": 5000, "report": 6000}
SEEDS = 2
LEARNING_RATES = {"adam": 2e-3, "rmsprop": 1e-3, "sgd": 0.1}
HEALTHY, UNSTABLE = "healthy", "unstable"


class Program(NamedTuple):
  """What is compiled once: a network, a task and an update rule."""

  cell: str
  optimizer: str
  task: str
  length: int


class Variant(NamedTuple):
  """What differs between runs of one program.

  Attributes:
    name: of the variant.
    factor: on the rule's learning rate.
    clip_bound: 0 is none.
    init: how the parameters start.
  """

  name: str
  factor: float
  clip_bound: float
  init: InitConfig


class Case(NamedTuple):
  """One labelled run.

  Attributes:
    split: `tuning` or `report`.
    kind: `healthy`, or the fault.
    name: of its folder.
    config: as asked for.
  """

  split: str
  kind: str
  name: str
  config: Config


PROGRAMS = (
  Program("rnn", "adam", "temporal_order", 20),
  Program("gru", "adam", "temporal_order", 20),
  Program("lstm", "adam", "temporal_order", 20),
  Program("rnn", "sgd", "temporal_order", 20),
  Program("gru", "rmsprop", "adding", 20),
  Program("lstm", "adam", "delayed_xor", 5),
  Program("rnn", "adam", "parity", 10),
)
BROKEN = PROGRAMS[:2]
VARIANTS = (
  Variant("default", 1.0, 1.0, InitConfig()),
  Variant("fast", 3.0, 1.0, InitConfig()),
  Variant("unclipped", 1.0, 0.0, InitConfig()),
  Variant("tightly_clipped", 3.0, 0.1, InitConfig(input_scale=0.3)),
  Variant("gaussian", 1.0, 1.0, InitConfig(recurrent="gaussian", gain=1.5)),
  Variant("slow", 0.1, 1.0, InitConfig()),
)
# The clip matters only where it would have acted.
BROKEN_VARIANTS = (
  Variant("default", 1.0, 0.3, InitConfig()),
  Variant("fast", 3.0, 0.1, InitConfig()),
)
# Gates that saturate forgive more.
UNSTABLE_FACTORS = {"rnn": 100.0, "gru": 3000.0, "lstm": 3000.0}


def make_config(program: Program, variant: Variant, seed: int) -> Config:
  """A run of seconds."""
  rate = LEARNING_RATES[program.optimizer] * variant.factor
  return Config(
    seeds=SEEDS,
    seed=seed,
    model=ModelConfig(cell=program.cell, hidden=16, init=variant.init),
    task=TaskConfig(program.task, program.length),
    optimizer=OptimizerConfig(
      program.optimizer, learning_rate=rate, clip_bound=variant.clip_bound
    ),
    train=TrainConfig(
      steps=400,
      batch=32,
      log_every=20,
      eval_every=40,
      eval_examples=500,
      test_examples=2000,
      checkpoint_every=0,
      devices=1,
    ),
    diagnostics=DiagnosticsConfig(saturation=False, weights=False, lag_every=100),
  )


def cases() -> Iterator[Case]:
  """Every run, those of one fault together, so that each compiles once."""

  def of(kind, program, variant):
    for split, seed in SPLITS.items():
      words = (kind, program.cell, program.optimizer, program.task, variant.name)
      yield Case(split, kind, "-".join(words), make_config(program, variant, seed))

  for program in PROGRAMS:
    for variant in VARIANTS:
      yield from of(HEALTHY, program, variant)
  for program in PROGRAMS[:4]:
    factor = UNSTABLE_FACTORS[program.cell]
    yield from of(UNSTABLE, program, Variant("enormous", factor, 0.0, InitConfig()))
  for kind in FAULTS:
    for program in BROKEN:
      for variant in BROKEN_VARIANTS:
        yield from of(kind, program, variant)


def train(folder: pathlib.Path, stop: Callable[[], bool]) -> bool:
  """Trains and measures every case that isn't there yet.

  Returns:
    Whether all are; False where `stop` said to leave.
  """
  listed = list(cases())
  # A block a kind: entering one drops what was compiled for the last.
  for kind in {case.kind: None for case in listed}:
    own = [case for case in listed if case.kind == kind]
    with planted(kind) if kind in FAULTS else contextlib.nullcontext():
      for case in own:
        path = folder / case.split / case.name
        run = start(case.config, str(path), name=f"{case.split} {case.name}")
        if run.train(stop=stop)["state"] == "interrupted":
          return False
    for case in own:
      path = folder / case.split / case.name
      if stop():
        return False
      if not (path / FILE).exists():
        run = open_run(path)
        write_json(path / FILE, measure_ends(run) | {"tries": []})
        run.source.close()
    logging.info("%s: %d runs", kind, len(own))
  return True


def main(_):
  """Trains what is missing and writes the table."""
  set_up(1)
  folder = pathlib.Path(WORKDIR.value)
  if not train(folder, watch()):
    logging.info("stopped; the same command goes on")
    return PREEMPTED
  splits = {
    split: confusion_table.judge(
      (case.kind, folder / split / case.name) for case in cases() if case.split == split
    )
    for split in SPLITS
  }
  write_json(folder / "confusion.json", confusion_table.summary(splits))
  page = confusion_table.write(folder, splits)
  print(confusion_table.plain(splits))
  logging.info("the table is at %s", page.absolute())
  return 0


if __name__ == "__main__":
  command.run(main)
