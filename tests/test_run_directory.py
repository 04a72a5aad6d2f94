"""The folder of a run: what it refuses, and what stands in it."""

import itertools
import json
import shutil

import numpy as np
import pytest

from rnn_research.errors import CheckpointMismatch, ConfigError, WorkdirError
from rnn_research.training.run_directory import RunDirectory, jsonable
from rnn_research.training.start import start
from tests.small_run import make_config, read_records, saved_state, train

pytestmark = pytest.mark.usefixtures("quick_module")


def test_what_is_not_finite_becomes_null_but_for_the_logarithm_of_zero():
  content = {
    "list": [1.5, float("nan"), np.float32("inf")],
    "array": np.array([[1.0, -np.inf]]),
    3: (np.int64(4), None, True, "text"),
    "scalar": np.float32(0.25),
  }
  found = json.loads(json.dumps(jsonable(content), allow_nan=False))
  assert found == {
    "list": [1.5, None, None],
    "array": [[1.0, "-inf"]],
    "3": [4, None, True, "text"],
    "scalar": 0.25,
  }


def test_another_config_is_refused_by_its_first_difference(tmp_path):
  RunDirectory(tmp_path, make_config(), "auto")
  with pytest.raises(WorkdirError, match=r"model\.hidden is 4 there and 5 here"):
    RunDirectory(tmp_path, make_config({"model.hidden": 5}), "auto")
  RunDirectory(tmp_path, make_config(), "auto")
  RunDirectory(tmp_path, make_config(), "must")


def test_never_wants_a_new_folder_and_must_an_old_one(tmp_path):
  with pytest.raises(CheckpointMismatch, match="no run to go on with"):
    RunDirectory(tmp_path, make_config(), "must")
  RunDirectory(tmp_path, make_config(), "never")
  with pytest.raises(WorkdirError, match="holds a run already"):
    RunDirectory(tmp_path, make_config(), "never")


def test_a_folder_that_cannot_be_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(WorkdirError, match="can't be used"):
    RunDirectory(tmp_path / "file" / "run", make_config(), "auto")
  (tmp_path / "run").mkdir()
  (tmp_path / "run" / "checkpoints").write_text("")
  with pytest.raises(WorkdirError, match="checkpoints is no folder"):
    RunDirectory(tmp_path / "run", make_config(), "auto")


DAMAGES = [b"", b"{ half\n", b"[1]\n", b"\xff\n"]


@pytest.mark.parametrize(
  "name, content",
  [
    *itertools.product(("config", "status", "environment"), DAMAGES),
    *(("metrics", damage) for damage in DAMAGES if damage),  # without rows it is empty
  ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
  """Whatever a process that died, or a full disk, has left of it."""
  directory = RunDirectory(tmp_path, make_config(), "auto")
  directory.write_status({"state": "running"})
  directory.write_environment({})
  file = tmp_path / (f"{name}.jsonl" if name == "metrics" else f"{name}.json")
  file.write_bytes(content)
  reads = {
    "config": lambda: RunDirectory(tmp_path, make_config(), "auto"),
    "status": directory.status,
    "environment": lambda: directory.write_environment({}),
    "metrics": directory.rows,
  }
  with pytest.raises(WorkdirError, match=rf"{file.name} can't be read") as caught:
    reads[name]()
  assert "\n" not in str(caught.value)


def test_a_second_process_is_refused_while_the_first_one_trains(tmp_path):
  run = start(make_config(), str(tmp_path))
  with run.directory.alone():
    with pytest.raises(WorkdirError, match="another process is training in"):
      run.train()
  assert not (tmp_path / "metrics.jsonl").exists()
  with run.directory.alone():
    pass


def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(tmp_path):
  given = {"train.steps": 8, "train.checkpoint_every": 2, "diagnostics.lag_every": 0}
  asked = iter([False, True])
  _, records = train(tmp_path, given, stop=lambda: next(asked))
  newest = tmp_path / "checkpoints" / str(records.status["step"])
  shutil.rmtree(newest / "state")
  with pytest.raises(CheckpointMismatch, match=f"remove checkpoints/{newest.name}"):
    train(tmp_path, given)
  shutil.rmtree(newest)
  _, records = train(tmp_path, given)
  assert records.status["state"] == "finished"


def test_more_devices_than_there_are_are_refused(tmp_path):
  with pytest.raises(ConfigError, match=r"train\.devices: 3 are more than the 2"):
    start(make_config({"train.devices": 3}), str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


def test_cutting_back_leaves_what_was_before(tmp_path):
  directory = RunDirectory(tmp_path, make_config(), "auto")
  for step in (0, 2, 4):
    directory.append({"step": step, "x": [float("nan"), step]})
    directory.write_arrays("lag", step, {"a": np.arange(step)})
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 6')
  directory.cut_back(2)
  assert directory.rows() == [{"step": s, "x": [None, s]} for s in (0, 2)]
  files = sorted(path.name for path in (tmp_path / "arrays" / "lag").iterdir())
  assert files == ["00000000.npz", "00000002.npz"]


LEAVES = [
  "layer_0/cell/input/kernel",
  "layer_0/cell/input/bias",
  "layer_0/cell/hidden/kernel",
  "head/kernel",
  "head/bias",
]
TRAINED = {
  *("train/loss", "train/error"),
  *("clip/norm_before", "clip/norm_before_max", "clip/norm_after"),
  *("clip/fraction", "clip/shrink"),
  *("update/norm", "update/norm_max", "update/cosine", "update/relative"),
  *("saturation/layer_0/hidden/low", "saturation/layer_0/hidden/high"),
  *(
    f"{kind}/{leaf}"
    for kind in ("grads", "params", "updates", "ratio")
    for leaf in LEAVES
  ),
  *(
    f"clip/{leaf}/{name}"
    for name in ("norm_after", "shrink", "demand", "cosine")
    for leaf in LEAVES
  ),
}
EVALUATED = {"eval/loss", "eval/error", "eval/position_error"}
GAINS = ("loss", "rms", "path", "sup")
INSPECTED = {
  *(f"lag/layer_0/{kind}/log10" for kind in GAINS),
  *(f"lag/layer_0/{kind}/event_{e}" for kind in GAINS for e in (0, 1)),
  *(f"lag/layer_0/loss/{n}" for n in ("horizon", "horizon_censored", "largest")),
  *("spectrum/layer_0/hidden/radius", "spectrum/layer_0/hidden/sigma_max"),
}
CLOCK = {"time/elapsed_seconds", "time/steps_per_second", "time/data_wait_seconds"}


@pytest.fixture(scope="module")
def every_step(tmp_path_factory):
  """A run that logs, evaluates and saves each of its steps."""
  changes = {
    "train.steps": 2,
    "train.log_every": 1,
    "train.eval_every": 2,
    "train.checkpoint_every": 1,
    "diagnostics.lag_every": 2,
    "optimizer.clip_bound": 0.1,
  }
  folder = tmp_path_factory.mktemp("every_step")
  run, records = train(folder, changes)
  return run, records, folder


def test_the_names_of_a_row(every_step):
  lines = (every_step[2] / "metrics.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  assert [row["step"] for row in rows] == [0, 1, 2]
  assert rows[0].keys() == {"step"} | EVALUATED | INSPECTED | CLOCK
  assert rows[1].keys() == {"step"} | TRAINED | CLOCK
  assert rows[2].keys() == {"step"} | TRAINED | EVALUATED | INSPECTED | CLOCK
  for row in rows:
    for name, value in row.items():
      if name == "step" or name in CLOCK:
        assert isinstance(value, int | float), name
      else:
        assert len(value) == 4, name
        # Biases begin at zero, and nothing is a multiple of that.
        undefined = name.startswith("ratio/") and name.endswith("/bias")
        undefined &= row["step"] == 1
        # Above a thousandth at all lags; without gates, nothing takes the direct path.
        undefined |= name.endswith("/horizon") or "/path/" in name
        assert None not in value or undefined, name
  times = [row["time/elapsed_seconds"] for row in rows]
  assert times == sorted(times)


def test_the_names_of_the_arrays(every_step):
  _, records, _ = every_step
  curves = ("median", "q10", "q90", "rms")
  assert records.arrays.keys() == {
    *("ledger/00000001", "ledger/00000002"),
    *("adjoint/00000001", "adjoint/00000002"),
    *("lag/00000000", "lag/00000002"),
  }
  shapes = {
    name: {key: array.shape for key, array in content.items()}
    for name, content in records.arrays.items()
  }
  ledger = ["loss", "norm_before", "norm_after", "shrink"]
  ledger += ["update_norm", "update_relative", "cosine"]
  assert shapes["ledger/00000002"] == {"step": (1,)} | dict.fromkeys(ledger, (1, 4))
  kinds = ("", "relative_", "weights/hidden/")
  adjoint = [f"layer_0/{kind}log10_{c}" for kind in kinds for c in curves]
  assert shapes["adjoint/00000002"] == (
    dict.fromkeys([*adjoint, "layer_0/nonfinite"], (4, 10)) | {"events": (4, 2)}
  )
  lags = [f"layer_0/loss_{c}" for c in curves]
  lags += [f"layer_0/{kind}_{c}" for kind in ("rms", "path") for c in curves[:3]]
  few = [f"layer_0/sup_{c}" for c in (*curves[:3], "lags")]
  assert shapes["lag/00000002"] == (
    dict.fromkeys(lags, (4, 11)) | dict.fromkeys(few, (4, 3)) | {"event_lags": (4, 2)}
  )


def test_the_norms_of_a_row_are_those_of_the_checkpoints(every_step):
  run, records, _ = every_step
  before, after = (saved_state(run, step) for step in (1, 2))
  row, ledger = records.rows[2], records.arrays["ledger/00000002"]
  assert ledger["step"].tolist() == [2]

  def norms(arrays):
    return [
      np.sqrt((a.astype(np.float64) ** 2).sum(tuple(range(1, a.ndim)))) for a in arrays
    ]

  old = {leaf: before[f"params/{leaf}"] for leaf in LEAVES}
  moved = {leaf: after[f"params/{leaf}"] - old[leaf] for leaf in LEAVES}
  for leaf, size, step in zip(
    LEAVES, norms(old.values()), norms(moved.values()), strict=True
  ):
    np.testing.assert_allclose(row[f"params/{leaf}"], size, rtol=1e-5, err_msg=leaf)
    np.testing.assert_allclose(row[f"updates/{leaf}"], step, rtol=1e-3, err_msg=leaf)
    np.testing.assert_allclose(
      np.multiply(row[f"ratio/{leaf}"], size), row[f"updates/{leaf}"], rtol=1e-5
    )
  for name in ("update_norm", "norm_before"):
    kind = "updates" if name == "update_norm" else "grads"
    parts = [row[f"{kind}/{leaf}"] for leaf in LEAVES]
    np.testing.assert_allclose(
      ledger[name][0], np.sqrt(np.sum(np.square(parts), 0)), rtol=1e-5
    )
  np.testing.assert_allclose(ledger["norm_after"], 0.1, rtol=1e-5)
  np.testing.assert_allclose(row["clip/norm_before"], ledger["norm_before"][0])
  assert row["clip/fraction"] == [1.0] * 4


def test_the_ledger_holds_every_step_and_the_row_its_summary(tmp_path):
  # Twelve steps in dispatches of two.
  _, records = train(tmp_path, {"diagnostics.lag_every": 0})
  ledgers = [v for name, v in records.arrays.items() if name.startswith("ledger/")]
  steps = np.concatenate([ledger["step"] for ledger in ledgers])
  assert steps.tolist() == list(range(1, 13))
  for ledger, row in zip(ledgers, records.rows[1:], strict=True):
    for name, column, reduce in [
      ("train/loss", "loss", np.mean),
      ("clip/norm_before", "norm_before", np.median),
      ("clip/norm_before_max", "norm_before", np.max),
      ("clip/norm_after", "norm_after", np.median),
      ("clip/shrink", "shrink", np.mean),
      ("update/norm", "update_norm", np.mean),
      ("update/norm_max", "update_norm", np.max),
      ("update/cosine", "cosine", np.mean),
      ("update/relative", "update_relative", np.mean),
    ]:
      wanted = reduce(ledger[column].astype(np.float64), axis=0)
      np.testing.assert_allclose(row[name], wanted, rtol=1e-5, err_msg=name)


def test_event_files_are_written(every_step):
  files = list((every_step[2] / "tensorboard").iterdir())
  assert files and files[0].name.startswith("events.out.tfevents")
  content = files[0].read_bytes()
  for name in (b"train/loss", b"eval/error", b"lag/layer_0/loss/log10"):
    assert name in content


def test_the_config_of_a_run_is_kept(every_step):
  run, records, folder = every_step
  config = json.loads((folder / "config.json").read_text())
  assert config["train"]["log_every"] == 1 and config["model"]["hidden"] == 4
  assert records.status["problem"] == dict(run.source.problem._asdict())
  assert read_records(folder).status["final"]["examples"] == 500
