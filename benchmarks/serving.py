"""The measured side of a process: commands in, seconds out, a line of JSON each.

A command is {name: argument}. All that measure know two:

  {"choose": seconds} runs each way to do it for about so long and keeps the fastest
    -> {"seconds": of one call}
  {"measure": repetitions} -> {"seconds": [of each call]}

Between commands a process is blocked on the pipe and takes no time from others.
"""

import gc
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np

from benchmarks.libraries import Unsupported

Way = Callable[[], Sequence[Any]]
CHOOSING_CALLS = 3


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


def answer_lines(
  carry_out: Callable[[str, Any], dict[str, Any]],
  greeting: dict[str, Any],
  read: TextIO,
  write: TextIO,
) -> None:
  """Answers commands until the input ends, whatever goes wrong with one of them.

  Args:
    carry_out: a command's name and argument to its answer.
    greeting: said first.
    read: commands.
    write: answers.
  """

  def say(answer):
    write.write(json.dumps(answer) + "\n")
    write.flush()

  say(greeting)
  for line in read:
    ((name, argument),) = json.loads(line).items()
    try:
      say(carry_out(name, argument))
    except Unsupported as reason:
      say({"unsupported": str(reason)})
    except Exception as error:
      say({"error": first_line(error)})


def first_line(error: Exception) -> str:
  """What kind of error, and the first line of what it says."""
  return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def answers_only() -> TextIO:
  """The stream of the answers; what else is printed goes to stderr from now on.

  What libraries print must not get between the answers.
  """
  answers = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)
  return answers


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
