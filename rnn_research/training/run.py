"""One run from config to finished records."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.config import Config
from rnn_research.models import make_traces
from rnn_research.training import rows
from rnn_research.training.advance import compile_advance, intervals_per_dispatch
from rnn_research.training.autopsy import compile_autopsy, explain
from rnn_research.training.checkpoint import Checkpoints
from rnn_research.training.evaluation import (
  compile_evaluate,
  compile_keep_best,
  fresh_chunks,
  held_out_chunks,
  pieces_of,
)
from rnn_research.training.event_files import EventFiles
from rnn_research.training.exponents import compile_exponents
from rnn_research.training.flossing import compile_flossing
from rnn_research.training.inspection import compile_inspect, inspection_batch
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.placement import place_seeds, place_shared
from rnn_research.training.program import Program
from rnn_research.training.progress import Progress
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.run_directory import (
  RunDirectory,
  describe_environment,
  jsonable,
)
from rnn_research.training.solved import IN_A_ROW, UNSOLVED, judge, nothing_solved
from rnn_research.training.source import Source
from rnn_research.training.state import NEVER, make_state
from rnn_research.training.truncation import compile_bias


def never() -> bool:
  """The stop signal of a run that nobody interrupts."""
  return False


class Run:
  """A validated config in its folder; `train` takes it to its end.

  The loop hands the device one dispatch after another and reads the results of the
  one before while it works. Rows are written one dispatch late, and all that is
  outstanding before a checkpoint, so that records and checkpoint agree.
  """

  def __init__(
    self,
    config: Config,
    source: Source,
    program: Program,
    directory: RunDirectory,
    name: str,
  ):
    """Takes the parts that `start.start` has checked; compiles nothing yet.

    Args:
      config: valid.
      source: of its batches.
      program: made for it.
      directory: claimed for it.
      name: shown beside the progress.
    """
    self.config, self.source, self.program = config, source, program
    self.directory, self.name = directory, name
    self.layout = program.layout
    self._seconds = 0.0  # of earlier processes of this run

  def train(self, stop: Callable[[], bool] = never) -> dict[str, Any]:
    """Goes on from the newest checkpoint, or begins.

    Args:
      stop: asked after every dispatch; True saves and returns.

    Returns:
      The content of `status.json`.

    Raises:
      WorkdirError: another process trains there, or what it holds can't be read.
      CheckpointMismatch: its newest checkpoint can't be gone on from.
    """
    try:
      with self.directory.alone():
        return self._train_alone(stop)
    finally:
      self.source.close()

  def _train_alone(self, stop):
    status = self.directory.status()
    if status is not None and status["state"] == "finished":
      return status
    self.directory.write_environment(
      describe_environment(self.layout.devices, self.layout.platform)
    )
    checkpoints = Checkpoints(self.directory.checkpoints)
    try:
      return self._train(checkpoints, stop)
    finally:
      checkpoints.close()

  def _train(self, checkpoints, stop):
    config, program = self.config, self.program
    batch = config.train.batch
    keys = seed_keys(config.seed, config.seeds)
    example = self.source.shapes(batch)
    state = make_state(program, keys, make_hyper(config), example)
    self._prepare(example, state)
    step = checkpoints.latest() or 0
    if step:
      state = checkpoints.restore(step, state, self.source.iterator)
      self._seconds = (self.directory.status() or {}).get("seconds", 0.0)
    self.directory.cut_back(step or -1)  # step 0 is recorded anew
    self._solved, evaluated = nothing_solved(config.seeds), None
    for row in self.directory.rows():
      if "eval/error" in row:
        evaluated = row["step"]
        self._solved = self._judge(evaluated, row["eval/error"])
    self._events = EventFiles(self.directory.path / "tensorboard", step)
    self._began, self._first = time.monotonic(), step
    progress = Progress(self.name, step, config.train.steps)
    self._write_status("running", step, state)
    if step == 0:
      state, flossed = self._floss(state)
      state, looked = self._look(0, state, last=config.train.steps == 0)
      self._record(0, None, looked | flossed, progress)

    outstanding = None
    saved = step
    intervals = intervals_per_dispatch(config, step)
    stride = intervals * config.train.log_every
    advance = compile_advance(program, config.train.log_every, intervals)
    settled = evaluated == step and self._settled(self._solved, state.diverged_at)
    stopped, done = False, step >= config.train.steps or settled
    if step and done:
      # It was stopped behind its last checkpoint, before it could say that it ended.
      evaluate = compile_evaluate(program)
      evaluation = evaluate(state.params, self._chunks, self._pieces[True])
      self._final = _final(jax.device_get(evaluation))
    while not done and not stopped:
      waited = time.monotonic()
      batches = self.source.next(stride)
      waited = time.monotonic() - waited
      if batches is not None:
        batches = place_seeds(self.layout, batches)
      state, ledger, detail = advance(state, batches)
      step += stride
      done = step >= config.train.steps
      state, looked = self._look(step, state, last=done)
      if not done and self._all_settled(step, state, looked):
        done, decided_by = True, looked["eval"]
        state, looked = self._look(step, state, last=True)
        looked["decided_by"] = decided_by
      if outstanding is not None:
        self._record(*outstanding, progress)
      outstanding = (step, (ledger, detail, waited), looked)
      stopped = stop()
      every = config.train.checkpoint_every
      if stopped or done or (every and step % every == 0):
        self._record(*outstanding, progress)
        outstanding = None
        checkpoints.save(step, state, self.source.iterator, self.directory.config)
        saved = step
        self._write_status("running", saved, state)
    progress.close()
    self._events.close()
    return self._write_status("finished" if done else "interrupted", step, state)

  def _prepare(self, example, state):
    """What every look at the networks needs, made once."""
    config, program = self.config, self.program
    held_out = self.source.held_out()
    looked_at = inspection_batch(program, config.diagnostics.lag_examples, held_out)
    self._inspected = place_shared(self.layout, looked_at)
    followed = inspection_batch(
      program, config.diagnostics.exponents_examples, held_out
    )
    self._followed = place_shared(self.layout, followed)
    if held_out is None:
      on_the_way, at_the_end = config.train.eval_examples, config.train.test_examples
      self._chunks = fresh_chunks(program, max(on_the_way, at_the_end))
      self._pieces = {False: pieces_of(on_the_way), True: pieces_of(at_the_end)}
    else:
      self._chunks = held_out_chunks(program, held_out)
      every = self._chunks.weights.shape[0]
      self._pieces = {False: every, True: every}
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), state)
    traces = jax.eval_shape(
      lambda params, batch: make_traces(program.model, params, batch),
      one.params,
      example,
    )
    self._cells = {layer: trace.cell for layer, trace in traces.items()}
    self._reverse = {layer: trace.reverse for layer, trace in traces.items()}
    self._final = None

  def _floss(self, state):
    """Prepares the parameters before the first step, if that is asked for."""
    if not self.config.flossing.before:
      return state, {}
    given = self.source.at([0] * self.config.seeds)
    if given is not None:
      given = place_seeds(self.layout, given)
    params, flossed = compile_flossing(self.program)(state.key, state.params, given)
    best = jax.tree.map(jnp.copy, params)
    return state._replace(params=params, best_params=best), {"flossing": flossed}

  def _look(self, step, state, last):
    """Starts evaluation and inspection where they are due; waits for neither."""
    config, looked = self.config, {}
    if last or step % config.train.eval_every == 0:
      evaluate = compile_evaluate(self.program)
      looked["eval"] = evaluate(state.params, self._chunks, self._pieces[last])
      looked["last"] = last
      state = compile_keep_best(self.layout)(state, looked["eval"]["error"])
    every = config.diagnostics.lag_every
    if every and (last or step % every == 0):
      inspect = compile_inspect(self.program, config.diagnostics.lag_probes)
      looked["lags"] = inspect(state.params, self._inspected)
      if config.model.truncate_every:
        looked["bias"] = compile_bias(self.program)(state.params, self._inspected)
      # Copied: the state is donated to the next dispatch.
      looked["params"] = jax.tree.map(jnp.copy, state.params)
    every = config.diagnostics.exponents_every
    if every and (last or step % every == 0):
      follow = compile_exponents(self.program, config.diagnostics.exponents)
      looked["exponents"] = follow(state.params, self._followed)
    return state, looked

  def _judge(self, step, error):
    """The seeds' successes, with one more evaluation."""
    in_a_row = self.config.train.stop_when_solved or IN_A_ROW
    return judge(self._solved, step, np.asarray(error, float), in_a_row)

  def _all_settled(self, step, state, looked):
    """Whether no seed has anything left to learn; waits for the evaluation."""
    if not self.config.train.stop_when_solved or "eval" not in looked:
      return False
    error, diverged = jax.device_get((looked["eval"]["error"], state.diverged_at))
    return self._settled(self._judge(step, error), diverged)

  def _settled(self, solved, diverged):
    """Whether to stop at an evaluation that has left the seeds so."""
    if not self.config.train.stop_when_solved:
      return False
    return bool(((solved.at != UNSOLVED) | (np.asarray(diverged) != NEVER)).all())

  def _record(self, step, trained, looked, progress):
    """Fetches what a dispatch returned and writes it down, a row an interval."""
    row: dict[str, Any] = {"step": step}
    waited = 0.0
    if trained is not None:
      *fetched, waited = trained
      ledgers, details = jax.device_get(fetched)
      intervals, every = ledgers.loss.shape[1:]
      waited /= intervals
      for interval in range(intervals):
        if interval:
          self._write_row(row, step, waited)
        ledger, detail = jax.tree.map(
          lambda leaf, n=interval: leaf[:, n], (ledgers, details)
        )
        row = self._trained(step - (intervals - 1 - interval) * every, ledger, detail)
      progress.update(
        step, *(_mean_of_finite(row[name]) for name in ("train/loss", "train/error"))
      )
    if "eval" in looked:
      evaluation = jax.device_get(looked["eval"])
      decisive = jax.device_get(looked.get("decided_by", looked["eval"]))
      for name in ("loss", "error", "position_error"):
        row[f"eval/{name}"] = decisive[name]
      self._solved = self._judge(step, decisive["error"])
      if looked["last"]:
        self._final = _final(evaluation)
    if "lags" in looked:
      lags = jax.device_get(looked["lags"])
      row |= rows.lag_row(lags)
      row |= rows.spectrum_row(self._cells, jax.device_get(looked["params"]))
      self.directory.write_arrays("lag", step, rows.lag_arrays(lags))
    if "exponents" in looked:
      spectra = jax.device_get(looked["exponents"])
      row |= rows.exponent_row(spectra)
      self.directory.write_arrays("exponents", step, rows.exponent_arrays(spectra))
    if "flossing" in looked:
      flossed = jax.device_get(looked["flossing"])
      row |= rows.flossing_row(flossed)
      self.directory.write_arrays("flossing", step, {"loss": flossed.loss})
    if "bias" in looked:
      row |= rows.bias_row(jax.device_get(looked["bias"]))
    self._write_row(row, step, waited)

  def _trained(self, step, ledger, detail):
    """The row of an interval that ends at this step, and its arrays."""
    row = {"step": step} | rows.ledger_row(ledger) | rows.detail_row(detail)
    self.directory.write_arrays("ledger", step, rows.ledger_arrays(ledger, step))
    if detail.layers:
      events = self._inspected.events
      arrays = rows.adjoint_arrays(detail, self._reverse, events)
      self.directory.write_arrays("adjoint", step, arrays)
    return row

  def _write_row(self, row, reached, waited):
    """Adds the time to a row, that of the dispatch which reached this step."""
    elapsed = time.monotonic() - self._began
    row["time/elapsed_seconds"] = self._seconds + elapsed
    row["time/steps_per_second"] = (reached - self._first) / elapsed
    row["time/data_wait_seconds"] = waited
    self.directory.append(row)
    self._events.write(row)

  def _write_status(self, word, step, state):
    diverged = np.asarray(jax.device_get(state.diverged_at))
    autopsy = self._autopsy(state, diverged) if word != "running" else {}
    status = {
      "state": word,
      "step": step,
      "seconds": self._seconds + time.monotonic() - self._began,
      "devices": self.layout.devices,
      "seeds": [
        {
          "seed": self.config.seed + number,
          "diverged_at": None if at == NEVER else int(at),
          "solved_at": None if solved == UNSOLVED else int(solved),
          "first_nonfinite": autopsy.get(number),
        }
        for number, (at, solved) in enumerate(
          zip(diverged, self._solved.at, strict=True)
        )
      ],
      "problem": self.source.problem._asdict(),
      "final": self._final if word == "finished" else None,
    }
    self.directory.write_status(status)
    return jsonable(status)

  def _autopsy(self, state, diverged):
    """For each frozen seed, what broke first, and where."""
    if (diverged == NEVER).all():
      return {}
    batches = self.source.at(np.maximum(diverged, 0))
    if batches is not None:
      batches = place_seeds(self.layout, batches)
    found = jax.device_get(compile_autopsy(self.program)(state, batches))
    return {
      number: explain(jax.tree.map(lambda leaf, n=number: leaf[n], found))
      for number, at in enumerate(diverged)
      if at != NEVER
    }


def _final(evaluation: dict[str, Any]) -> dict[str, Any]:
  """The scores of the last evaluation, as `status.json` has them."""
  scores = {**evaluation, "examples": int(evaluation["sequences"][0])}
  del scores["sequences"]
  return scores


def _mean_of_finite(values: np.ndarray) -> float:
  finite = values[np.isfinite(values)]
  return float(finite.mean(dtype=float)) if finite.size else float("nan")
