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
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, TextIO

import numpy as np
from absl import flags

from benchmarks.entries import Entry, Shape
from benchmarks.interleave import Asked
from benchmarks.libraries import Unsupported
from rnn_research import command

_LIBRARY = flags.DEFINE_string("library", None, "Module of the library.")
_DEVICES = flags.DEFINE_integer("devices", 1, "CPU devices, or threads.", lower_bound=1)

Way = Callable[[], Sequence[Any]]
Make = Callable[[str, Shape, str, int], list[Way]]
CHOOSING_CALLS = 3


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

  def say(answer):
    write.write(json.dumps(answer) + "\n")
    write.flush()

  here: Asked = Here([])
  say({"versions": versions})
  for line in read:
    ((name, argument),) = json.loads(line).items()
    try:
      if name == "prepare":
        # What belonged to the last entry goes before the next one comes.
        here = Here([])
        gc.unfreeze()
        gc.collect()
        here = prepare(argument)
        # Objects that stay needn't be looked at in every collection.
        gc.freeze()
        say({})
      else:
        say(here.ask({name: argument}))
    except Unsupported as reason:
      say({"unsupported": str(reason)})
    except Exception as error:
      say({"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"})


class Here:
  """A worker without a process, for programs that may share one.

  Args:
    ways: to run the same thing; the fastest will be measured.
  """

  def __init__(self, ways: Sequence[Way]):
    self._ways = list(ways)

  def ask(self, command: dict[str, Any]) -> dict[str, Any]:
    """Answers `choose` and `measure` as a process would."""
    ((name, argument),) = command.items()
    if name == "measure":
      return {"seconds": repeat(self._ways[0], argument)}
    times = [choose_time(way, argument) for way in self._ways]
    self._ways = [self._ways[int(np.argmin(times))]]
    return {"seconds": min(times)}


def repeat(way: Way, repetitions: int) -> list[float]:
  """Seconds of each of several calls in a row."""
  times = []
  gc.disable()
  try:
    for _ in range(repetitions):
      begin = time.perf_counter()
      way()
      times.append(time.perf_counter() - begin)
  finally:
    gc.enable()
  return times


def choose_time(way: Way, seconds: float) -> float:
  """Fastest of a few calls, of fewer if they take longer than `seconds`."""
  times = repeat(way, 1)
  while len(times) < CHOOSING_CALLS and sum(times) < seconds:
    times += repeat(way, 1)
  return min(times)


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
  answers = os.fdopen(os.dup(1), "w")
  # What libraries print must not get between the answers.
  os.dup2(2, 1)
  try:
    library = importlib.import_module(f"{package}.{_LIBRARY.value}")
  except Exception as error:
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    print(json.dumps({"missing": reason}), file=answers, flush=True)
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
