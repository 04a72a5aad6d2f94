"""One library in a process of its own, measured when it is asked to.

Reads one JSON command a line from stdin, answers each with one line on stdout:

  {"prepare": [cell, [batch, time, input, hidden], direction]} compiles, runs once
    and checks the result -> {} or {"unsupported": why} or {"error": what}
  {"choose": seconds} runs each way to do it for about so long and keeps the fastest
    -> {"seconds": of one call}
  {"measure": repetitions} -> {"seconds": [of each call]}

First it says {"versions": {...}}, or {"missing": why} if the library can't be
imported. Between commands it is blocked on the pipe and takes no time from others.
Two libraries in one process would share it: their thread pools fight.
"""

import gc
import importlib
import json
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any, TextIO

import numpy as np
from absl import flags

from benchmarks.entries import Entry, Shape
from benchmarks.interleave import Asked
from benchmarks.serving import Here, Way, answer_lines, answers_only, first_line
from rnn_research import command

_LIBRARY = flags.DEFINE_string("library", None, "Module of the library.")
_DEVICES = flags.DEFINE_integer("devices", 1, "CPU devices, or threads.", lower_bound=1)

Make = Callable[[str, Shape, str, int], list[Way]]


def serve(
  make: Make, devices: int, versions: dict[str, str], read: TextIO, write: TextIO
) -> None:
  """Answers commands until the input ends.

  Args:
    make: of the library.
    devices: that it may use.
    versions: said at the start.
    read: commands.
    write: answers.
  """

  def prepare(entry):
    return Here(_prepare(make, devices, entry))

  listen(prepare, versions, read, write)


def listen(
  prepare: Callable[[Any], Asked],
  versions: dict[str, str],
  read: TextIO,
  write: TextIO,
) -> None:
  """Answers commands until the input ends, whatever is measured.

  Args:
    prepare: makes what answers `choose` and `measure`, of the argument of a `prepare`.
    versions: said at the start.
    read: commands.
    write: answers.
  """

  here: Asked = Here([])

  def carry_out(name: str, argument: Any) -> dict[str, Any]:
    nonlocal here
    if name != "prepare":
      return here.ask({name: argument})
    # What belonged to the last entry goes before the next one comes.
    here = Here([])
    gc.unfreeze()
    gc.collect()
    here = prepare(argument)
    # Objects that stay needn't be looked at in every collection.
    gc.freeze()
    return {}

  answer_lines(carry_out, {"versions": versions}, read, write)


def _prepare(make, devices, entry):
  cell, sizes, direction = entry
  entry = Entry(cell, Shape(*sizes), direction)
  ways = make(*entry, devices)
  for way in ways:
    _check(way(), entry)
  return ways


def _check(arrays, entry):
  """Outputs have their shape; gradients are finite, the inputs' one has theirs."""
  batch, steps, features, hidden = entry.shape
  if entry.direction == "forward":
    shape, width = np.shape(arrays[0]), hidden
  else:
    shape, width = np.shape(arrays[-1]), features
    for array in arrays:
      if not np.isfinite(np.asarray(array)).all():
        raise ArithmeticError("a gradient is not finite")
  if shape not in ((steps, batch, width), (batch, steps, width)):
    raise ValueError(f"the result has shape {shape}")


def work(package: str, prepare: Callable[[Any, int, Any], Asked]) -> int:
  """Serves the library of the flags on stdin and stdout.

  Args:
    package: holds a module a library, which has `PACKAGES`.
    prepare: of (module, devices, argument of a `prepare`).

  Returns:
    The exit code.
  """
  answers = answers_only()
  try:
    library = importlib.import_module(f"{package}.{_LIBRARY.value}")
  except Exception as error:
    print(json.dumps({"missing": first_line(error)}), file=answers, flush=True)
    return 0
  versions = {package: metadata.version(package) for package in library.PACKAGES}
  devices = _DEVICES.value
  listen(lambda what: prepare(library, devices, what), versions, sys.stdin, answers)
  return 0


def main(_) -> int:
  """One layer, forward or gradient."""

  def prepare(library, devices, entry):
    return Here(_prepare(library.make, devices, entry))

  return work("benchmarks.libraries", prepare)


if __name__ == "__main__":
  command.run(main)
