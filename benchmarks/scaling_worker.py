"""Gradients on one number of devices, in a process of its own.

JAX splits the CPU into devices once a process. Commands, each a line of JSON:

  {"prepare": {name: [cell, [batch, time, input, hidden], seeds, devices, loop]}}
    compiles, runs once and checks the results; forgets what it had before -> {}
  {"ask": [name, {"choose": seconds}]} or {"ask": [name, {"measure": repetitions}]},
    see benchmarks/serving.py
"""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import jax
import numpy as np
from absl import flags

from benchmarks.entries import Shape
from benchmarks.interleave import Worker
from benchmarks.scaling_programs import Subject, make
from benchmarks.serving import Here, answer_lines, answers_only
from rnn_research import command
from rnn_research.training.devices import suit_cpu

_CORE = flags.DEFINE_integer("core", None, "Which one to keep to; all if not given.")

PACKAGES = ("rnn_research", "jax", "jaxlib")


class Programs:
  """The programs of this process, by name."""

  def __init__(self):
    self._here: dict[str, Here] = {}

  def carry_out(self, name: str, argument: Any) -> dict[str, Any]:
    """A command's name and argument to its answer."""
    if name == "ask":
      subject, inner = argument
      return self._here[subject].ask(inner)
    self._here = {}
    gc.unfreeze()
    jax.clear_caches()
    gc.collect()
    for key, (cell, sizes, *rest) in argument.items():
      self._here[key] = Here([make(Subject(cell, Shape(*sizes), *rest))])
    # Objects that stay needn't be looked at in every collection.
    gc.freeze()
    return {}


class One:
  """One program, as what `rounds` measures.

  Args:
    workers: the processes that run it, all at the same time.
    name: of the program.
  """

  def __init__(self, workers: Sequence[Worker], name: str):
    self._workers, self._name = workers, name

  def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Hands a command on; the slowest process is what each call took."""
    for worker in self._workers:
      worker.say({"ask": [self._name, asked]})
    answers = [worker.answer() for worker in self._workers]
    failed = [answer for answer in answers if "seconds" not in answer]
    if failed:
      return failed[0]
    return {"seconds": np.max([answer["seconds"] for answer in answers], 0).tolist()}


def main(_) -> int:
  """Serves on stdin and stdout."""
  answers = answers_only()
  if _CORE.value is not None:
    os.sched_setaffinity(0, {_CORE.value})  # before JAX counts its threads
  suit_cpu()  # as every training does
  versions = {package: metadata.version(package) for package in PACKAGES}
  answer_lines(Programs().carry_out, {"versions": versions}, sys.stdin, answers)
  return 0


if __name__ == "__main__":
  command.run(main)
