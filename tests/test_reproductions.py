"""Published results: their files run, and what is asked of them can fail."""

import json
import math
import pathlib

import jax
import pytest

from rnn_research import study
from rnn_research.config_flags import call
from rnn_research.errors import ConfigError
from rnn_research.report.reproduction import FILE, Finding, table, write_findings
from rnn_research.report.study import read_study
from rnn_research.study import freeze, run_arms
from rnn_research.training import devices
from rnn_research.validation import validate

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
  path
  for path in (ROOT / "configs" / "reproductions").glob("*.py")
  if "def get_plan" in path.read_text()
)
TRAINED = [path for path in FILES if path.stem != "closed_form_rates"]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@each_file
def test_the_plan_is_valid_and_its_command_is_named(path):
  plan, _ = call(str(path), "get_plan")
  for arm in plan.arms:
    validate(arm.config)
  names = [arm.name for arm in plan.arms]
  assert len(set(names)) == len(names)
  assert {name for entry in plan.comparisons for name in entry["arms"]} <= set(names)
  text = " ".join(path.read_text().replace("\\\n", " ").split())
  wanted = f"python -m experiments.reproduce --config=configs/reproductions/{path.name}"
  assert f"{wanted} --workdir=" in text
  for word in ("Published: ", "Expected: ", "Time: "):
    assert word in text


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.stem)
def test_tiny_runs_to_its_table(path, quickly, tmp_path):
  """And is judged undecided before it was run."""
  plan, names = call(f"{path}:tiny", "get_plan")
  freeze(tmp_path, plan)
  asked = [f for f in names["judge"](read_study(tmp_path)) if f.criterion]
  assert asked and all(finding.passed is None for finding in asked)
  assert run_arms(tmp_path, plan.arms)
  findings = names["judge"](read_study(tmp_path))
  assert "not finished" not in table(findings)
  rows = json.loads(write_findings(tmp_path, findings).read_text())
  assert (tmp_path / FILE).exists()
  assert [Finding(**row) for row in rows] == findings


def test_a_long_study_forgets_its_programs(quickly, tmp_path, monkeypatch):
  """Else a process has no place for the code of a hundred arms."""
  plan, _ = call(f"{TRAINED[0]}:tiny", "get_plan")
  client = jax.local_devices()[0].client
  counts = []

  def counted():
    before = len(client.live_executables())
    devices.forget_programs()
    counts.append((before, len(client.live_executables())))

  monkeypatch.setattr(study, "KEPT", 1)
  monkeypatch.setattr(study, "forget_programs", counted)
  freeze(tmp_path, plan)
  assert run_arms(tmp_path, plan.arms[:2])
  assert len(counts) == 2
  assert all(before > 10 and after < before / 3 for before, after in counts)


def test_the_closed_forms_are_met():
  _, names = call(str(ROOT / "configs/reproductions/closed_form_rates.py"), "get_plan")
  findings = names["judge"](None)
  assert len(findings) == 9
  assert [f.what for f in findings if not f.passed] == []


def records(folder, arms):
  """A study as a run would leave it: for each arm its status and its rows."""
  entries = [{"name": name} for name in arms]
  (folder / "protocol.json").write_text(json.dumps({"arms": entries}))
  for name, (solved, rows) in arms.items():
    run = folder / "runs" / name
    run.mkdir(parents=True)
    status = {
      "state": "finished",
      "step": rows[-1]["step"],
      "final": {"loss": [0.5] * len(solved)},
      "seeds": [{"seed": s, "solved_at": at} for s, at in enumerate(solved)],
    }
    (run / "status.json").write_text(json.dumps(status))
    (run / "config.json").write_text("{}")
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  return read_study(folder)


def verdicts(name, study):
  """What was asked, and how it came out."""
  _, names = call(str(ROOT / "configs" / "reproductions" / f"{name}.py"), "get_plan")
  return {f.what: f.passed for f in names["judge"](study) if f.criterion}


def losses(solved_at, plateau):
  """Five seeds on a plateau up to a step of their own, each 100 later than another."""
  return [
    {
      "step": step,
      "eval/loss": [
        0.001 if step >= solved_at + 100 * s else plateau for s in range(5)
      ],
    }
    for step in range(0, 8001, 100)
  ]


@pytest.mark.parametrize(
  "at, plateau, sooner, on_it",
  [
    (3000, 1 / 6, True, True),
    (1800, 1 / 6, False, True),  # not half the steps
    (9000, 0.15, True, False),  # never solved: censored
  ],
)
def test_chrono_is_judged(tmp_path, at, plateau, sooner, on_it):
  never = [None] * 5
  arms = {
    "chrono": (never, losses(1000, 1 / 6)),
    "forget1": (never, losses(1000, 1 / 6)),
    "forget0": (never, losses(at, plateau)),
  }
  assert verdicts("chrono_adding", records(tmp_path, arms)) == {
    "plateau of forget bias 0": on_it,
    "chrono against LSTM, forget bias 0": sooner,
  }


@pytest.mark.parametrize(
  "clip, none, radius, better, rate",
  [
    ([5000] * 5, [None] * 5, 1.2, True, True),
    ([5000] * 5, [5000] * 5, 1.2, False, True),
    ([None] * 5, [5000] * 5, 0.9, False, False),
    ([5000] * 3 + [None] * 2, [None] * 5, 0.9, False, False),
  ],
)
def test_pascanu_is_judged(tmp_path, clip, none, radius, better, rate):
  def rows(loss):
    return [
      {
        "step": step,
        "eval/loss": [loss] * 5,
        "spectrum/layer_0/hidden/radius": [radius] * 5,
      }
      for step in (0, 500, 1000, 200_000)
    ]

  arms = {
    f"{name}_L{length}": (solved, rows(math.log(4) + (0.1 if length == 20 else 0.01)))
    for length in (20, 50)
    for name, solved in (("clip", clip), ("none", none), ("omega", clip))
  }
  found = verdicts("pascanu_temporal_order", records(tmp_path, arms))
  assert found == {
    "L = 20, clip 1: rate of success": rate,
    "clip against no clip": better,
    "L = 50, clip 1: plateau": True,
    "spectral radius at the end": None if clip == [None] * 5 else radius > 1,
  }


@pytest.mark.parametrize(
  "flossed, drawn, largest, pushed, better",
  [
    ([3000] * 10, [None] * 10, 0.04, True, True),
    ([3000] * 5 + [None] * 5, [None] * 10, 0.06, False, False),  # p = 1/16
    ([None] * 10, [3000] * 10, -0.06, False, False),
  ],
)
def test_flossing_is_judged(tmp_path, flossed, drawn, largest, pushed, better):
  row = {"step": 0} | {
    f"flossing/layer_0/{k}/{when}": [value] * 10
    for when, values in (("before", (-0.3, -0.5)), ("after", (0.01, largest)))
    for k, value in enumerate(values)
  }
  last = {"step": 6000, "eval/loss": [0.5] * 10}
  arms = {"flossed": (flossed, [row, last]), "drawn": (drawn, [last])}
  assert verdicts("gradient_flossing", records(tmp_path, arms)) == {
    "first 40 Lyapunov exponents behind flossing": pushed,
    "flossed against drawn": better,
  }


def test_a_table_says_what_was_asked():
  findings = [
    Finding("rate", "7", "a paper", "6.5", "above 6", True),
    Finding("rate", "7", "a paper", "5.5", "above 6", False),
    Finding("rate", "7", "a paper", "not finished", "above 6", None),
    Finding("other", "a plot", "a paper", "3"),
  ]
  text = table(findings)
  assert [word in text for word in ("passed ", "FAILED ", "undecided ")] == [True] * 3
  assert text.endswith("other\n  published  a plot (a paper)\n  obtained   3")


def test_a_file_without_a_plan_is_refused(tmp_path):
  path = tmp_path / "plan.py"
  path.write_text("PLAN = 3\n")
  with pytest.raises(ConfigError, match="KeyError: 'get_plan'"):
    call(str(path), "get_plan")
