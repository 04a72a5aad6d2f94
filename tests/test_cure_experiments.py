"""Studies of treatments: their plans hold, and the cheapest runs to its page."""

import json

import pytest
from absl.testing import flagsaver

from experiments import (
  clipping,
  conduct,
  depth_and_norm,
  gradient_flow,
  initialisation,
  preemption,
)
from rnn_research.errors import ConfigError
from rnn_research.report.study import read_study
from rnn_research.study import freeze
from rnn_research.validation import validate

MODULES = {
  "clipping": clipping,
  "initialisation": initialisation,
  "depth_and_norm": depth_and_norm,
}
each_study = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)


@pytest.mark.parametrize("tiny", [False, True])
@each_study
def test_every_arm_can_be_run_and_is_told_apart(module, tiny):
  with flagsaver.flagsaver(tiny=tiny):
    plan = module.make_plan()
  for arm in plan.arms:
    validate(arm.config)
  names = [arm.name for arm in plan.arms]
  assert len(set(names)) == len(names)
  # Two arms with one config would be one arm, counted twice.
  configs = [json.dumps(arm.entry()["config"]) for arm in plan.arms]
  assert len(set(configs)) == len(configs)
  labels = [(arm.label, arm.config.task.length) for arm in plan.arms]
  assert len(set(labels)) == len(labels)
  assert {arm.config.seeds for arm in plan.arms} == {2 if tiny else 10}


@each_study
def test_every_arm_is_a_baseline_or_held_against_one(module):
  """At its own length, once, and with the budget stated for it."""
  plan = module.make_plan()
  named = {arm.name: arm for arm in plan.arms}
  pairs = [entry["arms"] for entry in plan.comparisons]
  assert {name for pair in pairs for name in pair} <= set(named)
  held = [first for first, _ in pairs]
  assert len(set(held)) == len(held)
  for first, second in pairs:
    pair = named[first].config, named[second].config
    assert pair[0].task == pair[1].task
    assert pair[0].train == pair[1].train
    assert pair[0].model.hidden == pair[1].model.hidden
    # What is compared is the treatment, not how it was tuned.
    assert pair[0].optimizer.learning_rate == pair[1].optimizer.learning_rate
  alone = set(named) - set(held)
  assert alone
  assert {named[name].label for name in alone} == set(plan.baselines)
  stems = {name.rpartition("_T")[0] for name in named}
  assert set(plan.budget["tuning"]) == set(plan.budget["learning_rate"]) == stems
  assert plan.budget["matching"] == "equal hidden size"
  assert {entry["measure"] for entry in plan.comparisons} == {"solved"}


def test_the_flags_choose_seeds_lengths_steps_and_arms():
  with flagsaver.flagsaver(
    seeds=3, lengths=["20"], steps=200, only=["none_sgd", "norm1_sgd", "leaf_adam"]
  ):
    plan = clipping.make_plan()
  assert [arm.name for arm in plan.arms] == [
    "none_sgd_T20",
    "norm1_sgd_T20",
    "leaf_adam_T20",
  ]
  assert [entry["arms"] for entry in plan.comparisons] == [
    ["norm1_sgd_T20", "none_sgd_T20"]
  ]
  config = plan.arms[0].config
  assert (config.seeds, config.train.steps, config.task.length) == (3, 200, 20)


def test_an_arm_that_is_not_there_is_refused():
  with (
    flagsaver.flagsaver(only=["norm1_sdg"]),
    pytest.raises(ConfigError, match="--only.*'norm1_sdg'.*none_sgd, norm0.1_sgd"),
  ):
    clipping.make_plan()


def test_gradient_flow_keeps_its_own_number_of_updates():
  plan = gradient_flow.make_plan()
  trained = [arm.config.train.steps for arm in plan.arms if arm.group == "synthetic"]
  assert set(trained) == {1500}
  assert plan.budget["steps"] == 1500


@pytest.fixture
def conducted(quickly, tmp_path, monkeypatch):
  """The cheapest study, stopped by SIGTERM in its first arm and gone on with."""
  # The process has started JAX already, and keeps its handler of the signal.
  monkeypatch.setattr(conduct, "set_up", lambda devices: None)
  handlers = []
  monkeypatch.setattr(
    preemption.signal, "signal", lambda _, handler: handlers.append(handler)
  )
  folder = tmp_path / "study"
  flagged = flagsaver.flagsaver(
    workdir=str(folder),
    tiny=True,
    lengths=["12"],
    only=["none_sgd", "norm1_sgd"],
  )

  def stopped(folder, plan):
    freeze(folder, plan)
    handlers[-1]()

  with flagged:
    with monkeypatch.context() as patch:
      patch.setattr(conduct, "freeze", stopped)
      first = clipping.main([])
    second = clipping.main([])
  return folder, first, second


def test_the_cheapest_study_goes_on_to_its_page(conducted):
  folder, first, second = conducted
  assert (first, second) == (preemption.PREEMPTED, 0)
  study = read_study(folder)
  assert study.sound and not study.faults
  assert [arm.run.state for arm in study.arms] == ["finished"] * 2
  page = (folder / "report.html").read_text()
  for text in ("SGD, no clip", "SGD, norm 1", "equal hidden size", "untuned bound"):
    assert text in page
