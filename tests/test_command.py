"""What a main does with flags, errors and exit codes, in its own process."""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys

import pytest

from rnn_research.config import Config
from rnn_research.config_flags import fields

MAIN = '''
"""Says what it is for."""
import dataclasses, json
from absl import flags, logging
from rnn_research import command, errors
_CONFIG = command.define_config()
_ACTION = flags.DEFINE_string("action", "", "what to do")

def main(argv):
  logging.info("to work")
  print(json.dumps(dataclasses.asdict(_CONFIG.value)))
  match _ACTION.value:
    case "refuse":
      raise errors.WorkdirError("--workdir", "is\\nfull", "empty it")
    case "interrupt":
      raise KeyboardInterrupt
    case "break":
      raise RuntimeError("a bug")
    case "preempt":
      return 75

if __name__ == "__main__":
  command.run(main)
'''

CONFIG = """
from rnn_research.config import Config
from rnn_research.errors import ConfigError

def get_config(variant="full"):
  config = Config()
  config.model.hidden = {"full": 100, "tiny": 3}[variant]
  config.model.cell_options.peepholes = True
  return config
"""

FILES = {
  "main.py": MAIN,
  "good.py": CONFIG,
  "no_function.py": "CONFIG = 3\n",
  "no_config.py": "def get_config():\n  return {}\n",
  "no_python.py": "def get_config(:\n",
  "no_import.py": "import nonesuch\n",
}

# One value of another kind than the default, for each type of a field.
SPELLED = {
  str: ("abc", "abc"),
  int: ("17", 17),
  float: ("0.25", 0.25),
  bool: ("true", True),
  tuple: ("('residual', 'zoneout:0.1')", ["residual", "zoneout:0.1"]),
}

CASES = {
  "all fields": None,  # filled in below
  "variant": ["--config=good.py:tiny"],
  "no variant": ["--config=good.py"],
  "override first": ["--config.model.hidden=7", "--config=good.py:tiny"],
  "back to none": [
    "--config=good.py",
    "--config.model.cell_options.peepholes=none",
  ],
  "commas": [
    "--config=good.py",
    "--config.model.wrappers=residual,zoneout:0.1",
  ],
  "no tuple": ["--config=good.py", "--config.model.wrappers="],
  "bare boolean": ["--config=good.py", "--config.model.residual"],
  "negated boolean": ["--config=good.py", "--noconfig.diagnostics.adjoint"],
  "help": ["--help"],
  "refuse": ["--config=good.py", "--action=refuse"],
  "interrupt": ["--config=good.py", "--action=interrupt"],
  "break": ["--config=good.py", "--action=break"],
  "preempt": ["--config=good.py", "--action=preempt"],
}

# The arguments, and what the one line on stderr starts with and contains.
REFUSED = [
  ([], "--config: not given", "configs/"),
  (["--config"], "flags: Missing value", "--config"),
  (["--config=nonesuch.py"], "--config: there is no file 'nonesuch.py'", ""),
  (["--config=nonesuch.py", "--config.seeds=2"], "--config: there is no", ""),
  (["--config=good.py:tyni"], "--config: good.py, line 7: KeyError", "tyni"),
  (["--config=no_function.py"], "--config: no_function.py: KeyError", ""),
  (["--config=no_config.py"], "--config: get_config", "returned dict"),
  (["--config=no_python.py"], "--config: no_python.py, line 1: Syntax", ""),
  (
    ["--config=no_import.py"],
    "--config: no_import.py, line 1: Mod",
    "nonesuch",
  ),
  (
    ["--config=good.py", "--config.model.hiden=3"],
    "--config.model.hiden: unknown flag",
    "did you mean --config.model.hidden?",
  ),
  (["--config=good.py", "--acton=x"], "--acton: unknown", "mean --action?"),
  (["--config=good.py", "--zzz=x"], "--zzz: unknown flag", "--help"),
  (
    ["--config=good.py", "--config.model.hidden=abc"],
    "--config.model.hidden: 'abc' can't be read",
    "",
  ),
  (["--config=good.py", "--config.seeds=1.5"], "--config.seeds: '1.5'", ""),
  (
    ["--config=good.py", "--config.model.residual=maybe"],
    "--config.model.residual: 'maybe'",
    "",
  ),
  (
    ["--config=good.py", "--config.model.wrappers=('a'"],
    "--config.model.wrappers: \"('a'\"",
    "",
  ),
  (
    ["--config=good.py", "--config.model.cell_options.projection=big"],
    "--config.model.cell_options.projection: 'big'",
    "",
  ),
  (["--config=good.py", "seeds=3"], "seeds=3: not a flag", "--name=value"),
  (["--flagfile=nonesuch"], "flags:", "nonesuch"),
]


def _plain(kind):
  return next(k for k in SPELLED if str(kind).startswith((k.__name__, str(k))))


CASES["all fields"] = ["--config=good.py"] + [
  f"--config.{path}={SPELLED[_plain(kind)][0]}" for path, kind, _ in fields(Config())
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
  """Every case, run once, a few at a time."""
  folder = tmp_path_factory.mktemp("command")
  for name, text in FILES.items():
    (folder / name).write_text(text)
  arguments = CASES | {i: case[0] for i, case in enumerate(REFUSED)}

  def run(given):
    return subprocess.run(
      [sys.executable, "main.py", *given],
      cwd=folder,
      env=os.environ | {"PYTHONWARNINGS": "error"},
      capture_output=True,
      text=True,
      timeout=60,
    )

  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    return dict(zip(arguments, pool.map(run, arguments.values()), strict=True))


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_bad_command_line_gets_one_line_and_exit_code_2(results, number):
  _, start, part = REFUSED[number]
  result = results[number]
  assert result.returncode == 2
  assert result.stdout == ""
  assert result.stderr.count("\n") == 1
  assert result.stderr.startswith(f"error: {start}")
  assert part in result.stderr


def test_every_field_can_be_set_by_a_flag(results):
  expected = Config()
  for path, kind, _ in fields(expected):
    holder = expected
    *parents, name = path.split(".")
    for parent in parents:
      holder = getattr(holder, parent)
    setattr(holder, name, SPELLED[_plain(kind)][1])
  result = results["all fields"]
  assert result.returncode == 0, result.stderr
  assert json.loads(result.stdout) == dataclasses.asdict(expected)


@pytest.mark.parametrize(
  "case, path, value",
  [
    ("variant", "model.hidden", 3),
    ("no variant", "model.hidden", 100),
    ("no variant", "model.cell_options.peepholes", True),
    ("override first", "model.hidden", 7),
    ("back to none", "model.cell_options.peepholes", None),
    ("commas", "model.wrappers", ["residual", "zoneout:0.1"]),
    ("no tuple", "model.wrappers", []),
    ("bare boolean", "model.residual", True),
    ("negated boolean", "diagnostics.adjoint", False),
  ],
)
def test_file_variant_and_flags_make_the_config(results, case, path, value):
  result = results[case]
  assert result.returncode == 0, result.stderr
  found = json.loads(result.stdout)
  for name in path.split("."):
    found = found[name]
  assert found == value


def test_help_lists_the_fields_and_is_no_failure(results):
  result = results["help"]
  assert result.returncode == 0
  assert "Says what it is for." in result.stdout
  assert "Traceback" not in result.stderr
  for path, _, _ in fields(Config()):
    assert f"config.{path}:" in result.stdout


@pytest.mark.parametrize(
  "case, code, stderr",
  [
    ("no variant", 0, "to work\n"),
    ("preempt", 75, "to work\n"),
    ("refuse", 2, "to work\nerror: --workdir: is full; empty it\n"),
    ("interrupt", 130, "to work\ninterrupted\n"),
  ],
)
def test_an_end_has_its_exit_code_and_its_line(results, case, code, stderr):
  assert results[case].returncode == code
  assert results[case].stderr == stderr


def test_a_bug_keeps_its_traceback(results):
  result = results["break"]
  assert result.returncode == 1
  assert "Traceback" in result.stderr
  assert result.stderr.endswith("RuntimeError: a bug\n")
