"""This project: `Run.train` itself, held after every so many dispatches.

The run has everything that training is made of: several steps a dispatch, the ledger,
the adjoint read in the logged step, batches of a data set through Grain, rows and
arrays written to disk and to event files, one dispatch late. Off are what the loops of
others don't have either: evaluation, lag gains and checkpoints.
"""

import queue
import tempfile
import threading

import jax
import numpy as np

from benchmarks.loops import Loop
from benchmarks.loops.entries import config_of
from rnn_research.training.advance import intervals_per_dispatch
from rnn_research.training.devices import suit_cpu
from rnn_research.training.start import start

PACKAGES = ("rnn_research", "jax", "jaxlib", "flax", "optax", "grain")
ENDLESS = 10**8


def make(entry, devices):
  """A run in a folder of its own, on all devices of this process.

  With several devices, the process is set up as a training's is.
  """
  if devices > 1:
    suit_cpu()
  held = _HeldRun(_config(entry))
  return Loop([held.train], held.losses, held.waited, held.close)


def _config(entry):
  """The entry's config without an end, and without what others don't do."""
  config = config_of(entry)
  config.train.steps = config.train.eval_every = ENDLESS
  config.train.eval_examples = config.train.test_examples = 100
  config.train.checkpoint_every = config.diagnostics.lag_every = 0
  return config


class _Over(Exception):
  """Ends a run from within."""


class _HeldRun:
  """A run in a thread, which goes on only while somebody waits for it."""

  def __init__(self, config):
    self._folder = tempfile.TemporaryDirectory()
    self._run = start(config, self._folder.name)
    self._steps = intervals_per_dispatch(config, 0) * config.train.log_every
    self._asked, self._done = queue.SimpleQueue(), queue.SimpleQueue()
    self._thread = threading.Thread(target=self._train, daemon=True)
    self._thread.start()

  def train(self, steps):
    dispatches, rest = divmod(steps, self._steps)
    if rest:
      raise ValueError(f"{steps} steps are no multiple of a dispatch's {self._steps}")
    self._asked.put(dispatches)
    error = self._done.get()
    if error is not None:
      raise error

  def losses(self):
    """Means over the seeds and a row's steps; the newest dispatch isn't written."""
    rows = self._run.directory.rows()
    # What isn't finite is null in the records.
    losses = [np.array(row["train/loss"], float) for row in rows if row["step"]]
    return [float(loss.mean()) for loss in losses]

  def waited(self):
    return sum(row["time/data_wait_seconds"] for row in self._run.directory.rows())

  def close(self):
    self._asked.put(0)
    self._thread.join()
    self._folder.cleanup()

  def _train(self):
    try:
      self._wait()
      self._run.train(stop=self._after_a_dispatch)
    except _Over:
      pass
    except BaseException as error:
      self._done.put(error)

  def _wait(self):
    self._left = self._asked.get()
    if not self._left:
      raise _Over

  def _after_a_dispatch(self):
    """The run asks here whether to stop; the last dispatch may still be at work."""
    self._left -= 1
    if not self._left:
      jax.block_until_ready(jax.live_arrays())
      self._done.put(None)
      self._wait()
    return False
