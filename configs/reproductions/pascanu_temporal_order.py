"""Clipping on the temporal order problem (Pascanu, Mikolov and Bengio 2013).

  python -m experiments.reproduce \
    --config=configs/reproductions/pascanu_temporal_order.py \
    --workdir=reproductions/pascanu

A tanh network trained by plain SGD without a clip on the gradient's norm, with one, and
with one and Omega, at L = 20 and L = 50. A seed has succeeded at the first evaluation
with fewer than 1% of 10,000 fresh sequences wrong; a run ends when all its seeds have.

Published: "On the difficulty of training recurrent neural networks", section 4.1 and
figure 7 (a plot of rates against length, no numbers), and the log of the authors'
program: a plateau at ln 4 with 75% wrong, solved at 336,000 updates with a spectral
radius of 1.24. As there: 50 units, W ~ N(0, 0.1) (a standard deviation), zero biases,
SGD 0.01, batch 20, clip 1, Omega 2 as in their program (4 in the paper). Not as there:
at most 200,000 updates in place of 5 million; output weights of standard deviation
1/sqrt(50) = 0.14; input weights cut at two standard deviations. Time: 25 minutes on one
core. Expected: at L = 20 all seeds succeed with and without the clip, in a few thousand
updates. `:tiny` takes seconds.
"""

import math
from collections.abc import Sequence

import numpy as np

from configs.variants import vary
from rnn_research.config import (
  Config,
  DiagnosticsConfig,
  InitConfig,
  ModelConfig,
  OptimizerConfig,
  RegularizerConfig,
  TaskConfig,
  TrainConfig,
)
from rnn_research.report.records import Run
from rnn_research.report.reproduction import (
  Finding,
  finished,
  first_success,
  in_words,
)
from rnn_research.report.statistics import rate_difference, wilson_interval
from rnn_research.report.study import Study
from rnn_research.report.survival import logrank_p
from rnn_research.study import Arm, Plan

FIGURE = "Pascanu et al. 2013, section 4.1, figure 7"
LOG = "test_output.txt of the authors' program"
LENGTHS = (20, 50)
STEPS = 200_000
SYMBOLS = 6
OMEGA = 2.0
# Label, clip and weight of Omega.
CLIPS = {
  "none": ("no clip", 0.0, 0.0),
  "clip": ("clip 1", 1.0, 0.0),
  "omega": ("clip 1 and Omega", 1.0, OMEGA),
}


def _config(length: int, clip: float, omega: float) -> Config:
  spread = 0.1
  # An input scale multiplies entries of variance 1 / inputs.
  init = InitConfig(recurrent="normal", gain=spread, input_scale=spread * SYMBOLS**0.5)
  return Config(
    seeds=5,
    model=ModelConfig(cell="rnn", hidden=50, init=init),
    task=TaskConfig(name="temporal_order", length=length),
    optimizer=OptimizerConfig(name="sgd", learning_rate=0.01, clip_bound=clip),
    regularizer=RegularizerConfig(omega=omega),
    train=TrainConfig(
      steps=STEPS,
      batch=20,
      log_every=500,
      eval_every=500,
      eval_examples=10_000,
      checkpoint_every=10_000,
      stop_when_solved=1,
    ),
    diagnostics=DiagnosticsConfig(lag_every=5000),
  )


def get_plan(variant: str = "") -> Plan:
  return plan_of(LENGTHS, variant)


def plan_of(lengths: Sequence[int], variant: str) -> Plan:
  """The three arms at each length."""
  arms, comparisons = [], []
  for length in lengths:
    for name, (label, clip, omega) in CLIPS.items():
      config = vary(_config(length, clip, omega), variant)
      label = f"tanh RNN, L = {length}, {label}"
      arms.append(Arm(f"{name}_L{length}", label, "synthetic", None, None, config))
    comparisons += [
      {
        "name": f"{more} against {less}, L = {length}",
        "arms": [f"{more}_L{length}", f"{less}_L{length}"],
        "measure": "solved",
        "expect": f"{more} solves more",
      }
      for more, less in (("clip", "none"), ("omega", "clip"))
    ]
  return Plan(
    title="Clipping on the temporal order problem",
    question="Does a clip on the gradient's norm let plain SGD learn the order?",
    arms=arms,
    budget={
      "steps": STEPS,
      "batch": 20,
      "optimizer": "sgd",
      "learning_rate": 0.01,
      "tuning": "none: the published setting",
    },
    comparisons=comparisons,
    baselines=["chance: ln 4 nats, three of four wrong"],
  )


def judge(study: Study) -> list[Finding]:
  """Rates of success and first successes; the plateau, and where the radius ends."""
  return [_rate(study), *judge_lengths(study, LENGTHS)]


def judge_lengths(study: Study, lengths: Sequence[int]) -> list[Finding]:
  """What is asked at any length."""
  findings = []
  for length in lengths:
    for name, (label, *_) in CLIPS.items():
      runs = finished(study, f"{name}_L{length}")
      findings.append(
        Finding(
          f"L = {length}, {label}: first success",
          "a plot of rates, no step",
          FIGURE,
          in_words(first_success(runs[0])) if runs else "not finished",
        )
      )
  return [
    *findings,
    _clip_against_none(study, lengths),
    *(_omega_against_clip(study, length) for length in lengths),
    _plateau(study, lengths[-1]),
    _radius(study, lengths),
  ]


def _rate(study: Study) -> Finding:
  runs = finished(study, "clip_L20")
  obtained, passed = "not finished", None
  if runs:
    solved = np.isfinite(first_success(runs[0]))
    low, high = wilson_interval(int(solved.sum()), len(solved))
    obtained = f"{solved.sum()} of {len(solved)} seeds [{low:.0%}, {high:.0%}]"
    passed = bool(solved.mean() >= 0.8)
  criterion = "at least 4 of 5"
  return Finding(
    "L = 20, clip 1: rate of success",
    "a plot, no number",
    FIGURE,
    obtained,
    criterion,
    passed,
  )


def _clip_against_none(study: Study, lengths: Sequence[int]) -> Finding:
  """One test a length, of which one has to come out: Bonferroni's bound on each."""
  parts, passed = [], []
  for length in lengths:
    runs = finished(study, f"clip_L{length}", f"none_L{length}")
    if runs is None:
      parts.append(f"L = {length}: not finished")
      passed.append(None)
      continue
    clip, none = (first_success(run) for run in runs)
    p = logrank_p(clip, none, ends=tuple(run.steps for run in runs))
    trained = [
      np.nan_to_num(steps, nan=run.steps).mean()
      for steps, run in zip((clip, none), runs, strict=True)
    ]
    better = trained[0] < trained[1]
    parts.append(
      f"L = {length}: {np.isfinite(clip).sum()} against {np.isfinite(none).sum()} of"
      f" {len(none)} seeds, log-rank p = {p:.2g}"
      f" ({'the clip' if better else 'no clip'} is sooner)"
    )
    passed.append(bool(better and p < 0.05 / len(lengths)))
  undecided = None if None in passed else False
  return Finding(
    "clip against no clip",
    "the clip raises the rate of success (a plot, no number)",
    FIGURE,
    "; ".join(parts),
    "the clip sooner at one length or more, log-rank p < .05 after Bonferroni",
    True if True in passed else undecided,
  )


def _omega_against_clip(study: Study, length: int) -> Finding:
  """Reported, not asked: five seeds can show little between two good rates."""
  runs = finished(study, f"omega_L{length}", f"clip_L{length}")
  obtained = "not finished"
  if runs:
    omega, clip = (first_success(run) for run in runs)
    p = logrank_p(omega, clip, ends=tuple(run.steps for run in runs))
    wins = tuple(int(np.isfinite(steps).sum()) for steps in (omega, clip))
    low, high = rate_difference(wins, (len(omega), len(clip)))
    obtained = (
      f"{wins[0]} against {wins[1]} of {len(clip)} seeds, difference of the rates"
      f" [{low:.0%}, {high:.0%}], log-rank p = {p:.2g}"
    )
  return Finding(
    f"L = {length}: Omega beside the clip, against the clip alone",
    "higher rates at greater lengths (a plot, no number)",
    FIGURE,
    obtained,
  )


def _plateau(study: Study, length: int) -> Finding:
  runs = finished(study, f"clip_L{length}")
  obtained, passed = "not finished", None
  if runs:
    losses = runs[0].get("eval/loss")
    early = losses.values[(losses.steps > 0) & (losses.steps <= 1000)]
    obtained = "no evaluation there"
    if early.size:
      level = float(np.median(early))
      passed = abs(level - math.log(4)) < 0.02
      obtained = f"{level:.3f}, median over {early.shape[1]} seeds, first 1,000 steps"
  return Finding(
    f"L = {length}, clip 1: plateau",
    "1.386 = ln 4, 75% wrong",
    LOG,
    obtained,
    "within 0.02 nats",
    passed,
  )


def _radius(study: Study, lengths: Sequence[int]) -> Finding:
  """Spectral radius of the seeds that succeeded with the clip, at the end."""
  found = [finished(study, f"clip_L{length}") for length in lengths]
  obtained, passed = "not finished", None
  if all(found):
    ends = np.concatenate([_last_radius(runs[0]) for runs in found])
    if ends.size:
      passed = bool((ends > 1).all())
      obtained = f"{ends.min():.2f} to {ends.max():.2f} in {ends.size} solved seeds"
    else:
      obtained = "no seed was solved"
  return Finding(
    "spectral radius at the end",
    "1.24, from 1.01",
    LOG,
    obtained,
    "above 1 in every solved seed",
    passed,
  )


def _last_radius(run: Run) -> np.ndarray:
  radius = run.get("spectrum/layer_0/hidden/radius").values[-1]
  return radius[np.isfinite(first_success(run))]
