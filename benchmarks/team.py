"""The processes of one run: one for each library and number of devices."""

from collections.abc import Sequence
from typing import Any

from absl import logging

from benchmarks import processes
from benchmarks.interleave import Worker, WorkerFailed

OURS = "ours"
LIMIT = "limit"
JAX_PEERS = ("linen", "nnx", "haiku", "equinox", "keras")
PEERS = (*JAX_PEERS, "torch")

Member = tuple[str, int]


class Team:
  """Starts all workers; a context manager that ends them.

  Args:
    members: library and number of devices of each.
    worker: the module in `benchmarks` that each process runs.

  Attributes:
    versions: of packages, by library.
    missing: libraries that can't be imported, and why.
    failures: of single entries: (entry, library, reason).
  """

  def __init__(self, members: Sequence[Member], worker: str = "worker"):
    self.versions: dict[str, dict[str, str]] = {}
    self.missing: dict[str, str] = {}
    self.failures: list[tuple[str, str, str]] = []
    self._members = {
      f"{library}:{devices}": (library, devices) for library, devices in members
    }
    self._worker = worker
    self._workers: dict[str, Worker] = {}

  def __enter__(self):
    """Waits until every library is imported."""
    try:
      for name, (library, devices) in self._members.items():
        self._workers[name] = processes.start(
          self._worker, devices, f"--library={library}", f"--devices={devices}"
        )
      for name in list(self._workers):
        self._greet(name)
    except BaseException:
      self.__exit__()
      raise
    return self

  def __exit__(self, *_):
    """Ends the processes."""
    for worker in self._workers.values():
      worker.close()

  def member(self, name: str) -> Member:
    """Library and number of devices of a worker."""
    return self._members[name]

  def prepare(self, entry: tuple) -> dict[str, Worker]:
    """Has all workers compile an entry; those that have such a cell.

    They compile side by side: nothing is timed here.

    Raises:
      RuntimeError: our own or the limit's worker can't run it.
    """
    for name, worker in list(self._workers.items()):
      try:
        worker.say({"prepare": entry})
      except WorkerFailed as error:
        self._drop(name, entry, error)
    ready = {}
    for name, worker in list(self._workers.items()):
      try:
        answer = worker.answer()
      except WorkerFailed as error:
        self._drop(name, entry, error)
        continue
      if "error" in answer:
        self._fail(name, entry, answer["error"])
      elif "unsupported" not in answer:
        ready[name] = worker
    return ready

  def _greet(self, name: str) -> None:
    library, _ = self._members[name]
    try:
      answer = self._workers[name].answer()
      reason = answer.get("missing")
    except WorkerFailed as error:
      answer, reason = {}, str(error)
    if reason is None:
      self.versions[library] = answer["versions"]
      return
    if library in (OURS, LIMIT):
      raise RuntimeError(f"{library}: {reason}")
    self.missing[library] = reason
    self._workers.pop(name).close()

  def _drop(self, name: str, entry: tuple, reason: Any) -> None:
    """A worker that ended takes no part any more."""
    self._workers.pop(name).close()
    self._fail(name, entry, reason)

  def _fail(self, name: str, entry: tuple, reason: Any) -> None:
    if self._members[name][0] in (OURS, LIMIT):
      raise RuntimeError(f"{name}, {entry}: {reason}")
    logging.warning("%s can't run %s: %s", name, entry, reason)
    self.failures.append((str(entry), name, str(reason)))
