"""Gradients on one number of devices, in a process of its own.

JAX splits the CPU into devices once a process. Commands, each a line of JSON:

  {"prepare": {name: [cell, [batch, time, input, hidden], seeds, devices, loop]}}
    compiles, runs once and checks the results; forgets what it had before -> {}
  {"ask": [name, {"choose": seconds}]} or {"ask": [name, {"measure": repetitions}]},
    see benchmarks/serving.py
"""

import gc
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import jax

from benchmarks.entries import Shape
from benchmarks.interleave import Worker
from benchmarks.scaling_programs import Subject, make
from benchmarks.serving import Here, answer_lines, answers_only
from rnn_research import command
from rnn_research.training.devices import suit_cpu

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
  """One program of a process, as what `rounds` measures.

  Args:
    worker: the process.
    name: of the program.
  """

  def __init__(self, worker: Worker, name: str):
    self._worker, self._name = worker, name

  def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Hands a command on."""
    return self._worker.ask({"ask": [self._name, asked]})


def main(_) -> int:
  """Serves on stdin and stdout."""
  answers = answers_only()
  suit_cpu()  # as every training does
  versions = {package: metadata.version(package) for package in PACKAGES}
  answer_lines(Programs().carry_out, {"versions": versions}, sys.stdin, answers)
  return 0


if __name__ == "__main__":
  command.run(main)
