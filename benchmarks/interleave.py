"""Several processes measured in turn, so that what drifts hits all alike.

In every round each worker measures once, and the order turns from round to round;
numbers of one round are then comparable whatever the machine did meanwhile.
"""

import json
import os
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

PAUSE = 0.005  # seconds; lets the spinning threads of the last worker go to sleep
CHOOSING = 0.2  # seconds for each way to run an entry
MOST_REPETITIONS = 500
FEWEST_ROUNDS = 5
OVERDRAFT = 5  # times the seconds given, after which two rounds must do


class WorkerFailed(Exception):
  """A worker ended, or didn't answer in time."""


class Asked(Protocol):
  """Whoever answers {"choose": ...} and {"measure": ...}."""

  def ask(self, command: dict[str, Any]) -> dict[str, Any]:
    """Carries out a command."""


class Worker:
  """A process that answers each line with a line.

  Args:
    arguments: the command line.
    environment: variables on top of this process's own.
    patience: seconds that one answer may take.
  """

  def __init__(
    self,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    patience: float = 600,
  ):
    self._errors = tempfile.TemporaryFile()
    self._patience = patience
    self._process = subprocess.Popen(
      arguments,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._errors,
      bufsize=0,
      env={**os.environ, **(environment or {})},
    )
    self._unread = b""

  def say(self, command: dict[str, Any]) -> None:
    """Sends a command without waiting for its answer.

    Raises:
      WorkerFailed: there is nobody to read it.
    """
    try:
      self._process.stdin.write(json.dumps(command).encode() + b"\n")
    except BrokenPipeError as error:
      raise WorkerFailed(self._last_words()) from error

  def answer(self) -> dict[str, Any]:
    """Waits for the next answer.

    Raises:
      WorkerFailed: there will be none.
    """
    end = time.monotonic() + self._patience
    pipe = self._process.stdout
    while b"\n" not in self._unread:
      if not select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
        self._process.kill()
        raise WorkerFailed(f"no answer in {self._patience:.0f} s")
      part = os.read(pipe.fileno(), 1 << 16)
      if not part:
        raise WorkerFailed(self._last_words())
      self._unread += part
    line, _, self._unread = self._unread.partition(b"\n")
    return json.loads(line)

  def ask(self, command: dict[str, Any]) -> dict[str, Any]:
    """Sends a command and waits for its answer."""
    self.say(command)
    return self.answer()

  def close(self) -> None:
    """Ends the process."""
    self._process.stdin.close()
    try:
      self._process.wait(timeout=5)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.wait()
    self._process.stdout.close()
    self._errors.close()

  def _last_words(self) -> str:
    self._process.wait()
    self._errors.seek(0)
    lines = self._errors.read().decode(errors="replace").strip().splitlines()
    code = self._process.returncode
    return f"ended with {code}" + (f": {lines[-1]}" if lines else "")


def rounds(
  workers: Mapping[str, Asked], most: int, seconds: float
) -> dict[str, list[float]]:
  """Measures prepared workers in turn.

  Args:
    workers: by name; each has prepared the same entry.
    most: rounds, if the time allows; five are taken whatever it says.
    seconds: for all rounds together, about; if five rounds take many times longer
      (a library whose threads wait for busy cores), two must do.

  Returns:
    For each worker the seconds of one call in each round: the median of those that it
    made in that round.

  Raises:
    WorkerFailed: one didn't survive.
  """
  per_call = {
    name: _seconds(worker, {"choose": CHOOSING}) for name, worker in workers.items()
  }
  at_least = min(most, FEWEST_ROUNDS)
  count = int(seconds / sum(per_call.values()))
  count = max(at_least, min(most, count))
  share = seconds / (count * len(workers))
  repetitions = {
    name: max(1, min(MOST_REPETITIONS, round(share / one)))
    for name, one in per_call.items()
  }
  times: dict[str, list[float]] = {name: [] for name in workers}
  begin = time.monotonic()
  for turn in range(count):
    if turn >= 2 and time.monotonic() - begin > OVERDRAFT * max(seconds, 1.0):
      break
    for name in order(list(workers), turn):
      time.sleep(PAUSE)
      calls = _seconds(workers[name], {"measure": repetitions[name]})
      times[name].append(statistics.median(calls))
  return times


def order(names: Sequence[str], turn: int) -> list[str]:
  """Who comes when: another one first in each round, and the other way every second.

  Nobody then always follows the same neighbour, whose heat and caches it inherits.
  """
  begin = turn % len(names)
  turned = [*names[begin:], *names[:begin]]
  return turned[::-1] if turn % 2 else turned


def _seconds(worker, command):
  answer = worker.ask(command)
  if "seconds" not in answer:
    raise WorkerFailed(str(answer))
  return answer["seconds"]
