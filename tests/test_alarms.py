"""The alarms, on records made by hand: each fires on its fault and on no healthy run.

The healthy records are those of Adam on a task that is learned; a fault changes only
what it would change.
"""

import pathlib

import numpy as np
import pytest

from rnn_research.report.alarms import RULES, Evidence, find_alarms
from rnn_research.report.records import Run, Series, Stack
from rnn_research.report.study import THRESHOLDS

STEPS, SEEDS, TIME, EVERY = 200, 3, 10, 20
RATE, SIZE, BOUND, CHANCE = 1e-2, 400, 1.0, 1.0
LEAVES = ("layer_0/cell/hidden/kernel", "layer_0/cell/input/kernel", "head/kernel")


def ledger():
  """A loss that falls from chance to a hundredth, and what Adam does meanwhile."""
  random = np.random.default_rng(0)
  step = np.arange(1, STEPS + 1)[:, None]
  noise = np.exp(0.1 * random.standard_normal((STEPS, SEEDS)))
  norm = 2 * noise
  loss = CHANCE * 0.01 ** (step / STEPS) * noise
  first = RATE * np.sqrt(SIZE)
  update = first * np.where(step == 1, 1, 0.3 * noise)
  return {
    "loss": loss,
    "norm_before": norm,
    "norm_after": np.minimum(norm, BOUND),
    "shrink": np.minimum(BOUND / norm, 1),
    "update_norm": update,
    "update_relative": update / 10,
    "cosine": 0.3 + 0.1 * random.standard_normal((STEPS, SEEDS)),
  }


def healthy():
  """Evidence of a sound run, in containers that a test may change."""
  values = ledger()
  logged = np.arange(EVERY, STEPS + 1, EVERY)
  series = {
    f"{kind}/{leaf}": Series(logged, np.full((len(logged), SEEDS), 0.1))
    for kind in ("grads", "updates")
    for leaf in LEAVES
  }
  evaluated = np.arange(0, STEPS + 1, 2 * EVERY)
  windows = [values["loss"][max(at - EVERY, 0) : at + 1].mean(0) for at in evaluated]
  series["eval/loss"] = Series(evaluated, np.array(windows))
  gain = -0.5 * np.arange(TIME + 1)
  fade = np.broadcast_to(gain, (len(evaluated), SEEDS, TIME + 1)).copy()
  adjoint = np.broadcast_to(gain[:TIME][::-1], (len(logged), SEEDS, TIME)) - 1.0
  adjoint = {"layer_0/log10_median": adjoint.copy()}
  adjoint["layer_0/nonfinite"] = np.zeros((len(logged), SEEDS, TIME))
  run = Run(
    path=pathlib.Path("run"),
    config={
      "seeds": SEEDS,
      "task": {"name": "temporal_order"},
      "model": {"truncate_every": 0},
      "optimizer": {"name": "adam", "learning_rate": RATE, "clip_bound": BOUND},
    },
    environment={},
    status={
      "state": "finished",
      "seeds": [{"seed": n, "diverged_at": None} for n in range(SEEDS)],
      "problem": {"chance_loss": CHANCE, "form": "many_to_one"},
    },
    series=series,
    ledger=Stack(np.arange(1, STEPS + 1), values),
    adjoint=Stack(logged, adjoint),
    lag=Stack(evaluated, {"layer_0/loss_median": fade}),
    exponents=Stack(np.zeros(0, int), {}),
    faults=(),
  )
  return Evidence(run, {"parameters": SIZE}, dict(THRESHOLDS))


def stand_still(e):
  e.run.ledger.values["update_norm"][:] = 0


def climb(e):
  e.run.ledger.values["cosine"][:, 1] *= -1


def leave_unclipped(e):
  e.run.ledger.values["norm_after"][3] = e.run.ledger.values["norm_before"][3]


def step_too_far(e):
  e.run.ledger.values["update_norm"][:] *= 3


def forget(e):
  e.run.ledger.values["update_norm"][:] = RATE * np.sqrt(SIZE)


def blank_inputs(e):
  e.run.series[f"grads/{LEAVES[1]}"].values[:] = 0


def detach_leaf(e):
  e.run.series[f"grads/{LEAVES[0]}"].values[:] = 0
  e.run.series[f"updates/{LEAVES[0]}"].values[:] = 0


def hold_leaf(e):
  e.run.series[f"updates/{LEAVES[0]}"].values[:] = 0


def cut(e):
  # Time step 6 is lag 3 of 10 steps: what lies before it gets exactly nothing.
  e.run.adjoint.values["layer_0/log10_median"][..., :7] = np.nan


def diverge(e):
  e.run.ledger.values["loss"][100:, 2] = np.nan
  e.run.status["seeds"][2] = {
    "seed": 2,
    "diverged_at": 100,
    "first_nonfinite": {"cause": "adjoint", "layer": "layer_0", "time": 4},
  }


def never_come_back(e):
  values = e.run.ledger.values
  values["norm_before"][120] = 1e3
  values["loss"][121:, 0] = 0.5 * CHANCE


def end_worse_than_guessing(e):
  e.run.ledger.values["loss"][-60:, 1] = 2 * CHANCE


def be_thrown(e):
  e.run.ledger.values["update_relative"][2, 1] = 0.5
  e.run.ledger.values["loss"][:, 1] = CHANCE


def repeat(e):
  e.run.series["eval/loss"].values[-4:] = 2 * CHANCE


FAULTS = {
  stand_still: "parameters stand still",
  climb: "uphill updates",
  leave_unclipped: "clip without effect",
  step_too_far: "step size",
  forget: "optimizer state lost",
  blank_inputs: "inputs are blank",
  detach_leaf: "no gradient",
  hold_leaf: "parameter held",
  cut: "gradient cut",
  diverge: "not finite",
  never_come_back: "instability without recovery",
  end_worse_than_guessing: "instability without recovery",
  be_thrown: "instability without recovery",
  repeat: "held-out data are another problem",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_named_and_nothing_else_is(fault):
  evidence = healthy()
  fault(evidence)
  found = find_alarms(evidence)
  assert [alarm.name for alarm in found] == [FAULTS[fault]]
  assert found[0].sentence and found[0].remedy


def test_every_rule_has_a_fault():
  assert len(RULES) == len(set(FAULTS.values()))


def test_the_numbers_of_a_sentence_are_those_of_the_records():
  evidence = healthy()
  cut(evidence)
  diverge(evidence)
  sentences = {alarm.name: alarm.sentence for alarm in find_alarms(evidence)}
  # Lag 3 of a gain of -0.5 a step: 10^-1.5 = 1/32.
  assert "3 steps back" in sentences["gradient cut"]
  assert "1/32" in sentences["gradient cut"]
  assert "seed 2 at step 100" in sentences["not finite"]
  assert "first in the adjoint of layer_0 at time step 4" in sentences["not finite"]


def leap_and_return(e):
  """An episode: gradient and update a hundredfold, the loss back ten steps later."""
  values = e.run.ledger.values
  values["norm_before"][120:123] *= 100
  values["update_norm"][120:123] *= 100
  values["update_relative"][120] = 2.0
  values["loss"][123:130] *= 10


def be_clipped_always(e):
  e.run.ledger.values["norm_before"][:] = 1e3
  e.run.ledger.values["norm_after"][:] = BOUND * (1 + 1e-6)


def stay_at_chance(e):
  """Unsolved: nothing is learned, neither there nor held out."""
  e.run.ledger.values["loss"][:] = CHANCE
  e.run.series["eval/loss"].values[:] = CHANCE


def start_high(e):
  """A loss that begins far above chance, and has not come down to it yet."""
  fall = np.linspace(5, 3, STEPS)[:, None]
  e.run.ledger.values["loss"][:] = fall * CHANCE
  evaluated = e.run.series["eval/loss"].steps
  e.run.series["eval/loss"].values[:] = fall[np.maximum(evaluated - 1, 0)]


def truncate_on_purpose(e):
  cut(e)
  e.run.config["model"]["truncate_every"] = 4


def fade_below_float(e):
  """Nothing arrives, and nothing that float32 could hold was there."""
  gain = e.run.lag.values["layer_0/loss_median"]
  gain[:] = -20.0 * np.arange(TIME + 1)
  e.run.adjoint.values["layer_0/log10_median"][..., :-2] = np.nan


def overfit(e):
  """A data set, where held-out loss above training loss is no fault."""
  e.run.config["task"] = {"name": ""}
  e.run.series["eval/loss"].values[-4:] = 0.9 * CHANCE


def be_unmeasured(e):
  e.diagnosis.clear()
  e.run.series.clear()
  e.run.ledger.values.clear()
  e.run.adjoint.values.clear()


@pytest.mark.parametrize(
  "change",
  [
    lambda e: None,
    leap_and_return,
    be_clipped_always,
    stay_at_chance,
    start_high,
    truncate_on_purpose,
    fade_below_float,
    overfit,
    be_unmeasured,
  ],
)
def test_a_sound_run_raises_no_alarm(change):
  evidence = healthy()
  change(evidence)
  assert find_alarms(evidence) == []


@pytest.mark.parametrize(
  "name, first, alarmed",
  [
    ("sgd", RATE * BOUND, False),
    ("sgd", 0.9 * RATE * BOUND, True),
    ("rmsprop", RATE * np.sqrt(10 * SIZE), False),
    ("rmsprop", 1.1 * RATE * np.sqrt(10 * SIZE), True),
    # A gradient that is zero in half of the parameters moves the others.
    ("adam", RATE * np.sqrt(SIZE / 2), False),
    ("adam", 1.1 * RATE * np.sqrt(SIZE), True),
  ],
)
def test_the_first_update_is_that_of_the_rule(name, first, alarmed):
  evidence = healthy()
  evidence.run.config["optimizer"]["name"] = name
  evidence.run.ledger.values["update_norm"][0] = first
  names = [alarm.name for alarm in find_alarms(evidence)]
  assert names == ["step size"] * alarmed
