"""Who may know whom, read from the source, and what an import may do."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "rnn_research"
LONGEST = 400

BASE = {"array_types", "errors", "problem", "config"}
# A part of the package, and the other parts that it may import.
KNOWS = {
  "__init__": set(),
  "array_types": set(),
  "errors": set(),
  "config": set(),
  "problem": {"array_types"},
  "config_flags": {"config", "errors"},
  "command": {"config_flags", "errors"},
  "validation": BASE | {"cells", "data", "tasks"},
  "cells": BASE,
  "lanes": {"array_types", "one_function"},
  "lock": set(),
  "norms": {"array_types", "lanes", "one_function"},
  "one_function": set(),
  "unroll": BASE | {"cells", "norms", "one_function"},
  "models": BASE | {"cells", "unroll"},
  "diagnostics": BASE | {"cells", "norms", "unroll"},
  "tasks": BASE,
  "data": BASE | {"command", "lock"},
  "report": BASE,
  "training": BASE
  | {"cells", "data", "diagnostics", "lanes", "lock", "models", "norms"}
  | {"one_function", "tasks", "unroll", "validation"},
  "verdict": BASE
  | {"cells", "diagnostics", "models", "tasks", "training", "unroll", "validation"},
  "study": BASE | {"report", "training", "validation"},
}
# Libraries, and the parts of the package that may import them.
NUMERICAL = set(KNOWS) - {
  "__init__",
  "command",
  "config",
  "config_flags",
  "errors",
  "lock",
  "report",
  "study",
  "validation",
}
ONLY_IN = {
  "jax": NUMERICAL,
  "flax": {"models"},
  "optax": {"diagnostics", "training"},
  "orbax": {"training"},
  "grain": {"data", "training"},
  "tensorflow_datasets": {"data"},
  "sklearn": {"data"},
  "matplotlib": {"report"},
  "tensorboardX": {"training"},
}
NOWHERE = ("tensorflow", "flax.nnx", "torch", "keras", "haiku", "equinox")
OUTSIDE = {"experiments", "configs", "examples", "tests", "benchmarks"}


def imports(source):
  """Dotted names that a source imports, at any depth; relative ones as '.'."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
      if node.level:
        yield "."
      else:
        yield from (f"{node.module}.{name.name}" for name in node.names)


def is_within(name, module):
  """Whether a dotted name is a module or lies in it."""
  return name == module or name.startswith(f"{module}.")


def violations(part, source):
  """What a source in a part of the package imports and should not."""
  found = []
  for name in imports(source):
    top, *rest = name.split(".")
    if top == "rnn_research":
      wrong = not rest or rest[0] not in KNOWS[part] | {part}
    elif top in OUTSIDE or name == ".":
      wrong = True
    elif top == "flax" and not is_within(name, "flax.linen"):
      wrong = True
    else:
      wrong = any(is_within(name, module) for module in NOWHERE)
      wrong |= part not in ONLY_IN.get(top, {part})
    if wrong:
      found.append(name)
  return found


def sources():
  return sorted(PACKAGE.rglob("*.py"))


def test_every_part_of_the_package_has_its_place():
  parts = {path.relative_to(PACKAGE).parts[0] for path in sources()}
  assert {part.removesuffix(".py") for part in parts} <= set(KNOWS)


def test_no_part_of_the_package_knows_more_than_it_may():
  found = {}
  for path in sources():
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if wrong := violations(part, path.read_text()):
      found[str(path.relative_to(ROOT))] = wrong
  assert not found


@pytest.mark.parametrize(
  "part, line",
  [
    ("cells", "from rnn_research.unroll import unroll"),
    ("cells", "from rnn_research import models"),
    ("cells", "import flax.linen as nn"),
    ("unroll", "from rnn_research.models import network"),
    ("tasks", "from rnn_research.cells import GRU"),
    ("data", "from rnn_research.training import loop"),
    ("report", "import jax"),
    ("report", "from jax import numpy as jnp"),
    ("diagnostics", "from rnn_research.training import state"),
    ("models", "from flax import nnx"),
    ("models", "import flax.nnx"),
    ("models", "from flax.training import train_state"),
    ("config", "from rnn_research.errors import UserError"),
    ("problem", "from rnn_research.cells import Cell"),
    ("training", "from experiments import train"),
    ("diagnostics", "from examples import flax_gru"),
    ("diagnostics", "import equinox as eqx"),
    ("data", "def read():\n  import tensorflow as tf"),
    ("data", "from . import location"),
    ("errors", "import rnn_research"),
  ],
)
def test_a_planted_import_is_found(part, line):
  assert violations(part, line)


@pytest.mark.parametrize(
  "part, line",
  [
    ("unroll", "from rnn_research.cells.cell import Cell"),
    ("models", "from flax import linen as nn"),
    ("models", "import flax.linen as nn"),
    ("training", "from rnn_research.diagnostics import lag"),
    ("data", "import tensorflow_datasets as tfds"),
    ("cells", "from rnn_research.cells import dense"),
  ],
)
def test_a_rightful_import_passes(part, line):
  assert not violations(part, line)


def test_nobody_imports_tensorflow_or_nnx():
  """But for the benchmark that measures NNX, in a process of its own."""
  found = {}
  for folder in OUTSIDE | {"rnn_research"}:
    for path in (ROOT / folder).rglob("*.py"):
      names = [
        name
        for name in imports(path.read_text())
        if is_within(name, "tensorflow") or is_within(name, "flax.nnx")
      ]
      if names:
        found[str(path.relative_to(ROOT))] = names
  assert found.pop("benchmarks/libraries/nnx.py") == ["flax.nnx"]
  assert not found


def test_a_file_can_be_read_in_one_go():
  lengths = {
    str(path.relative_to(ROOT)): len(path.read_text().splitlines())
    for path in sources()
  }
  assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def run(program):
  """Runs a program in a fresh interpreter, where warnings are shown."""
  result = subprocess.run(
    [sys.executable, "-c", program],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert result.returncode == 0, result.stderr
  return result.stdout.split()


def test_importing_all_of_the_package_leaves_the_devices_to_choose():
  names = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sources()
  ]
  # The update raises once a backend exists.
  program = f"""
import importlib, sys
for name in {names!r}:
  importlib.import_module(name)
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 3)
print(jax.device_count(), *{{"tensorflow", "flax.nnx"}} & set(sys.modules))
"""
  assert run(program) == ["3"]


def test_flags_are_answered_before_anything_heavy_is_imported():
  program = """
import sys
from rnn_research import command, config, errors
print(*{"jax", "flax", "matplotlib", "tensorflow_datasets"} & set(sys.modules))
"""
  assert run(program) == []


def own_names(module):
  """What a module of this repository defines, or has imported; None of a library's."""
  path = ROOT.joinpath(*module.split("."))
  file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
  if module.split(".")[0] not in {"rnn_research", *OUTSIDE}:
    return None
  names = {entry.stem for entry in path.iterdir()} if path.is_dir() else set()
  if file.exists():
    for node in ast.walk(ast.parse(file.read_text())):
      if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        names.add(node.name)
      elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        names.add(node.id)
      elif isinstance(node, (ast.Import, ast.ImportFrom)):
        names |= {(name.asname or name.name).split(".")[0] for name in node.names}
  return names


def missing(source):
  """What a source imports from this repository that isn't there."""
  for name in imports(source):
    module, _, wanted = name.rpartition(".")
    names = own_names(module) if module else None
    if names is not None and wanted not in names:
      yield name


def test_whatever_is_imported_is_there():
  """In mains too, which no other test may run."""
  files = [path for top in OUTSIDE for path in (ROOT / top).rglob("*.py")]
  found = {}
  for path in [*files, *sources()]:
    if wrong := list(missing(path.read_text())):
      found[str(path.relative_to(ROOT))] = wrong
  assert not found


def test_a_missing_import_is_found():
  assert list(missing("from benchmarks.entries import CELLS, read_lengths")) == [
    "benchmarks.entries.read_lengths"
  ]
  assert not list(missing("from rnn_research.cells import GRU, gru\nimport jax.numpy"))
