"""A study written by formula, so that every number on its page is known.

Gains: log10 gain at lag k of seed s is -rate * k + shift[s], and the shifts add
up to zero, so a mean over seeds is -rate * k. The rate falls in a straight line
from its value before training to `LAST_RATE`.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_research.report.study import protocol_hash

TIME = 20
EVENTS = (2, 11)
LAGS = tuple(TIME - 1 - event for event in EVENTS)
SEEDS = 4
STEPS = 400
EVERY = 20
SHIFTS = np.array([-0.15, -0.05, 0.05, 0.15])
LAST_RATE = 0.02
SUP = 0.7  # decades that the sup gain is above the curves
SOLVED_AT = 300
LINEAR_ERROR = 0.05


class Truth(NamedTuple):
  """What one arm is made to show."""

  name: str
  label: str
  group: str
  cell: str
  rate: float  # decades per step of lag, before training
  solved: int  # seeds, from the first on
  knob: str | None = None
  value: float | None = None

  @property
  def gain(self) -> float:
    """Mean over seeds of the gain at the first event, before training."""
    return -self.rate * LAGS[0]


ARMS = (
  Truth("rnn_1", "tanh RNN", "synthetic", "rnn", 0.3, 1, "input_scale", 1.0),
  Truth("rnn_03", "tanh RNN x 0.3", "synthetic", "rnn", 0.1, 3, "input_scale", 0.3),
  Truth("rnn_01", "tanh RNN x 0.1", "synthetic", "rnn", 0.03, 4, "input_scale", 0.1),
  Truth("gru", "GRU", "synthetic", "gru", 0.4, 4),
  Truth("lstm", "LSTM", "synthetic", "lstm", 0.12, 3),
  Truth("fault", "LSTM, no clipping", "fault", "lstm", 0.12, 0),
  Truth("digits_gru", "GRU on digits", "digits", "gru", 0.2, 0),
)
# held-out error of each seed of the digits arm: mean 0.03
DIGITS_ERRORS = [0.02, 0.03, 0.03, 0.04]


def write_study(path: Path, arms: tuple[Truth, ...] = ARMS) -> Path:
  """Write a complete study."""
  entries = [
    {
      "name": arm.name,
      "label": arm.label,
      "group": arm.group,
      "problem": "digits" if arm.group == "digits" else "temporal_order",
      "length": TIME,
      "cell": arm.cell,
      "knob": arm.knob,
      "value": arm.value,
      "config": {},
    }
    for arm in arms
  ]
  protocol: dict[str, Any] = {
    "title": "What a gradient has left",
    "question": "Does opening the gain of a tanh RNN let it learn?",
    "created": "2026-01-01T00:00:00",
    "seeds": SEEDS,
    "budget": {
      "steps": STEPS,
      "batch": 32,
      "optimizer": "adam",
      "learning_rate": 1e-3,
      "clip_bound": 1.0,
      "tuning": "untuned",
    },
    "thresholds": {
      "solved_error": 0.01,
      "episode_factor": 10,
      "episode_window": 200,
      "episode_merge": 20,
      "episode_recovery": 50,
      "gain_decades": 3,
    },
    "arms": entries,
    "comparisons": [
      {
        "name": "opening the input",
        "arms": ["rnn_01", "rnn_1"],
        "measure": "solved",
        "expect": "more seeds",
      },
      {
        "name": "GRU against tanh RNN",
        "arms": ["gru", "rnn_1"],
        "measure": "solved",
        "expect": "more seeds",
      },
    ],
    "baselines": ["linear classifier"],
  }
  protocol["sha256"] = protocol_hash(protocol)
  path.mkdir(parents=True, exist_ok=True)
  (path / "protocol.json").write_text(json.dumps(protocol))
  baseline = {
    "name": "linear classifier on the whole image",
    "test_error": LINEAR_ERROR,
    "examples": 360,
    "seconds": 0.4,
  }
  (path / "baseline.json").write_text(json.dumps({"digits": baseline}))
  for arm in arms:
    write_run(path / "runs" / arm.name, arm)
  return path


def write_run(path: Path, arm: Truth) -> Path:
  """Write the run directory of one arm."""
  path.mkdir(parents=True)
  digits = arm.group == "digits"
  errors = [0.0 if s < arm.solved else 0.5 for s in range(SEEDS)]
  errors = DIGITS_ERRORS if digits else errors
  documents = {
    "config": {
      "seeds": SEEDS,
      "model": {"cell": arm.cell},
      "task": {"name": "" if digits else "temporal_order"},
      "data": {"name": "digits" if digits else ""},
    },
    "environment": {"command": ["python", "-m", "experiments.train", arm.name]},
    "status": {
      "state": "finished",
      "step": STEPS,
      "seconds": 30.0,
      "devices": 2,
      "seeds": [
        {
          "seed": s,
          "diverged_at": 301 if arm.group == "fault" and s == 3 else None,
          "first_nonfinite": None,
        }
        for s in range(SEEDS)
      ],
      "problem": {
        "name": "digits" if digits else "temporal_order",
        "length": TIME,
        "chance_loss": np.log(4),
        "chance_error": 0.75,
      },
      "final": {"error": errors, "loss": errors, "examples": 10000},
    },
  }
  for name, document in documents.items():
    (path / f"{name}.json").write_text(json.dumps(document))
  rows = [_row(arm, step, errors) for step in range(0, STEPS + 1, EVERY)]
  lines = [json.dumps(row) for row in rows]
  (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
  _write_arrays(path / "arrays", arm)
  return path


def gains(arm: Truth, step: int, lag: int) -> np.ndarray:
  """log10 gain of each seed at a lag."""
  rate = arm.rate + (LAST_RATE - arm.rate) * step / STEPS
  return -rate * lag + SHIFTS


def _row(arm: Truth, step: int, errors: list[float]) -> dict[str, Any]:
  left = max(0.0, 1 - step / SOLVED_AT) ** 0.5
  row: dict[str, Any] = {"step": step}
  for curve in ("loss", "rms"):
    prefix = f"lag/layer_0/{curve}"
    row[f"{prefix}/log10"] = gains(arm, step, TIME - 1).tolist()
    if arm.group != "digits":
      for event, lag in enumerate(LAGS):
        row[f"{prefix}/event_{event}"] = gains(arm, step, lag).tolist()
  row["eval/error"] = [e + (0.75 - e) * left for e in errors]
  row["eval/loss"] = [e + (1.386 - e) * left for e in errors]
  if step:
    row["train/loss"] = row["eval/loss"]
  row["time/elapsed_seconds"] = 0.1 * step
  return row


def _write_arrays(folder: Path, arm: Truth) -> None:
  for name in ("ledger", "adjoint", "lag"):
    (folder / name).mkdir(parents=True)
  back = np.arange(TIME)[::-1]
  for step in range(0, STEPS + 1, EVERY):
    file = f"{step:08d}.npz"
    curve = np.stack([gains(arm, step, k) for k in range(TIME)], axis=1)
    lag = {
      f"layer_0/{kind}_{name}": curve + offset
      for kind in ("loss", "rms")
      for name, offset in (("median", 0), ("q10", -0.3), ("q90", 0.3))
    }
    if arm.cell != "rnn":
      lag["layer_0/path_median"] = 2 * curve
    lag["layer_0/sup_lags"] = np.tile(np.array(LAGS[::-1], float), (SEEDS, 1))
    sup = [gains(arm, step, k) + SUP for k in LAGS[::-1]]
    lag["layer_0/sup_median"] = np.stack(sup, axis=1)
    adjoint = {}
    relative = np.stack([gains(arm, step, k) for k in back], axis=1)
    for name, values in (("log10", relative - 1), ("relative_log10", relative)):
      for part in ("median", "q10", "q90", "rms"):
        adjoint[f"layer_0/{name}_{part}"] = values
    adjoint["layer_0/nonfinite"] = np.zeros((SEEDS, TIME), bool)
    if arm.group != "digits":
      lag["event_lags"] = np.tile(np.array(LAGS, float), (SEEDS, 1))
      adjoint["events"] = np.tile(np.array(EVENTS, float), (SEEDS, 1))
    np.savez(folder / "lag" / file, **lag)
    if step:
      np.savez(folder / "adjoint" / file, **adjoint)
      np.savez(folder / "ledger" / file, **_ledger(arm, step))


def _ledger(arm: Truth, last: int) -> dict[str, np.ndarray]:
  """Norm 1 and loss 1, but for two leaps: at step 101 and, fatal, at 301."""
  steps = np.arange(last - EVERY + 1, last + 1)
  norms = np.ones((EVERY, SEEDS))
  losses = np.ones((EVERY, SEEDS))
  norms[steps == 101, 0] = 30.0
  losses[(steps >= 101) & (steps < 110), 0] = 2.0
  if arm.group == "fault":
    norms[steps == 301, 1] = 50.0
    losses[steps >= 301, 1] = 5.0
    norms[steps >= 301, 3] = np.nan
    losses[steps >= 301, 3] = np.nan
  return {
    "step": steps,
    "loss": losses,
    "norm_before": norms,
    "norm_after": np.minimum(norms, 1.0),
    "shrink": np.minimum(1.0, 1.0 / norms),
    "update_norm": 0.01 * np.sqrt(norms),
    "update_relative": 0.001 * np.sqrt(norms),
    "cosine": np.full((EVERY, SEEDS), 0.9),
  }
