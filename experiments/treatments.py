"""A study as a list of treatments: each at every length, held against a baseline."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import flags

from experiments import arms
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  ModelConfig,
  OptimizerConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.errors import ConfigError
from rnn_research.study import Arm, Plan

_ONLY = flags.DEFINE_list("only", [], "Names of treatments; none is all.")

STEPS = 1000
BATCH = 32


class Treatment(NamedTuple):
  """One way to train, at any length.

  Attributes:
    name: of its arms, before the length.
    label: what the page calls it.
    config: the whole run at a length.
    tuning: what was tried before this setting was chosen.
    baseline: name of the treatment that it is held against; "" for a baseline.
    knob: the setting that is turned within a family of treatments; None if none is.
    value: where the knob stands.
  """

  name: str
  label: str
  config: Callable[[int], Config]
  tuning: str
  baseline: str = ""
  knob: str | None = None
  value: float | None = None


def setting(model: ModelConfig, length: int) -> Config:
  """What is the same in all arms: batch 32, Adam, the gradient's norm clipped at 1."""
  rate = arms.LEARNING_RATES.get(model.cell, arms.UNTUNED)
  return Config(
    seeds=arms.SEEDS.value,
    model=model,
    task=TaskConfig(name=arms.TASK.value, length=length),
    optimizer=OptimizerConfig("adam", learning_rate=rate, clip_bound=1.0),
    train=TrainConfig(
      steps=arms.steps(STEPS), batch=BATCH, log_every=50, eval_every=100
    ),
    diagnostics=DiagnosticsConfig(lag_every=100),
  )


def chosen(treatments: Sequence[Treatment]) -> list[Treatment]:
  """Those that `--only` names, in the order of the study.

  Raises:
    ConfigError: it names one that the study doesn't have.
  """
  names = [treatment.name for treatment in treatments]
  for name in _ONLY.value:
    if name not in names:
      raise ConfigError(
        "--only", f"no treatment {name!r}", f"known: {', '.join(names)}"
      )
  return [t for t in treatments if not _ONLY.value or t.name in _ONLY.value]


def cross(treatments: Sequence[Treatment]) -> list[Arm]:
  """Every treatment at every length; much too small with `--tiny`."""
  found = []
  for length in arms.lengths():
    for name, label, config, _, _, knob, value in treatments:
      whole = config(length)
      made = arms.shrunk(whole) if arms.TINY.value else whole
      found.append(Arm(f"{name}_T{length}", label, "synthetic", knob, value, made))
  return found


def comparisons(treatments: Sequence[Treatment]) -> list[dict[str, Any]]:
  """The declared family: each against its baseline, where both are in the study."""
  names = {treatment.name for treatment in treatments}
  return [
    {
      "name": f"{one.name} against {one.baseline}, T = {length}",
      "arms": [f"{one.name}_T{length}", f"{one.baseline}_T{length}"],
      "measure": "solved",
      "expect": "another number of seeds is solved",
    }
    for length in arms.lengths()
    for one in treatments
    if one.baseline in names
  ]


def plan_of(title: str, question: str, treatments: Sequence[Treatment]) -> Plan:
  """The whole study, decided before anything runs.

  Raises:
    ConfigError: `--only` names one that the study doesn't have.
  """
  treatments = chosen(treatments)
  configs = {t.name: t.config(arms.lengths()[0]) for t in treatments}
  return Plan(
    title=title,
    question=question,
    arms=cross(treatments),
    budget={
      "steps": arms.steps(STEPS),
      "batch": BATCH,
      "learning_rate": {n: c.optimizer.learning_rate for n, c in configs.items()},
      "matching": "equal hidden size",
      "tuning": {treatment.name: treatment.tuning for treatment in treatments},
    },
    comparisons=comparisons(treatments),
    baselines=[t.label for t in treatments if not t.baseline],
  )
