"""The figures of one set of networks: gain, coherence, signal and memory."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from rnn_research.array_types import Params
from rnn_research.models import make_traces
from rnn_research.problem import Batch
from rnn_research.training.inspection import compile_inspect, inspection_batch
from rnn_research.training.memory import compile_memory, swapped_batch
from rnn_research.training.placement import place_shared
from rnn_research.training.run import Run
from rnn_research.verdict.by_lag import compile_by_lag, recurrent_kernel
from rnn_research.verdict.signal import Signal, compile_signal, signal_chunks
from rnn_research.verdict.units import compile_time_scales

SWAPPED = 256  # sequences of the swap test: a standard error of 3% at most
COHERENT = 4096  # sequences of the coherence: noise of about 1/1000


class Instruments(NamedTuple):
  """What every set of networks of a run is looked at with, made once.

  Attributes:
    run: whose networks they are.
    layer: the layer that the verdict is about: the first, forward, encoder.
    batch: sequences of the lag gain.
    chunks: batches of the signal.
    pair: sequences of the swap test, as they are and swapped; None without a swap.
    many: sequences of the coherence; None where the layer has no kernel for it.
    opaque: whether the layer's steps can't be taken apart.
  """

  run: Run
  layer: str
  batch: Batch
  chunks: Any
  pair: tuple[Batch, Batch] | None
  many: Batch | None
  opaque: bool


def make_instruments(run: Run, params: Params) -> Instruments:
  """Draws the sequences of a run's diagnosis.

  Args:
    run: of a task or a data set.
    params: of its networks, which name the layers.
  """
  program, held_out = run.program, run.source.held_out()
  place = functools.partial(place_shared, program.layout)
  batch = place(
    inspection_batch(program, run.config.diagnostics.lag_examples, held_out)
  )
  pair = None
  if program.task is not None:
    plain = inspection_batch(program, SWAPPED, held_out)
    swapped = swapped_batch(program, plain)
    pair = None if swapped is None else (place(plain), place(swapped))
  found = jax.eval_shape(
    compile_inspect(program, run.config.diagnostics.lag_probes), params, batch
  )
  layers = sorted(found, key=lambda x: ("backward" in x, "decoder" in x, x))
  one = jax.tree.map(lambda leaf: leaf[0], params)
  traces = jax.eval_shape(lambda p: make_traces(program.model, p, batch), one)
  cell, many = traces[layers[0]].cell, None
  if recurrent_kernel(cell) is not None:
    many = place(inspection_batch(program, COHERENT, held_out))
  chunks = signal_chunks(program, held_out)
  return Instruments(run, layers[0], batch, chunks, pair, many, cell.opaque)


def measure_gain(own: Instruments, params: Params) -> dict[str, np.ndarray]:
  """log10 of the loss gain at the task's lag, and its whole curve.

  Returns:
    `gain` (seeds,), at the first event, or at the largest lag where none is known;
    minus infinity where nothing at all is left. `curve` (seeds, lags), the median over
    examples.
  """
  program, probes = own.run.program, own.run.config.diagnostics.lag_probes
  curves = jax.device_get(compile_inspect(program, probes)(params, own.batch))
  found = curves[own.layer]
  curve = np.asarray(found.loss.median)
  if found.loss_at_events is not None:
    gain = np.asarray(found.loss_at_events.median)[:, 0]
  else:
    gain = curve[:, -1]
  known = np.where(gain < np.inf, gain, np.nan)
  return {"gain": known.astype(float), "curve": _finite(curve)}


def measure_by_lag(own: Instruments, params: Params) -> dict[str, np.ndarray] | None:
  """What each lag adds to the recurrent kernel's gradient, and whether examples agree.

  Returns:
    `coherence` and its `standard_error` by lag; `truncation_error` and `cosine` by the
    number of lags kept; all (seeds, lags). None without a kernel.
  """
  if own.many is None:
    return None
  found = jax.device_get(compile_by_lag(own.run.program, own.layer)(params, own.many))
  return {
    "coherence": _finite(found.coherence.coherence),
    "standard_error": _finite(found.coherence.standard_error),
    "truncation_error": _finite(found.contribution.truncation_error),
    "cosine": _finite(found.contribution.cosine),
  }


def measure_time_scales(own: Instruments, params: Params) -> np.ndarray | None:
  """Time scale of each unit in steps, (seeds, units); None where nothing is direct.

  Infinite where a unit keeps all or amplifies.
  """
  if own.opaque:
    return None
  found = compile_time_scales(own.run.program, own.layer)(params, own.batch)
  scales = np.asarray(found, float)
  if not scales.any():
    return None
  return np.where(scales < 0, np.inf, scales)


def lag_of(own: Instruments) -> int | None:
  """The task's lag: of the first event, in the middle; None where none is known."""
  if own.batch.events is None:
    return None
  length = own.batch.inputs.shape[0]
  lengths = own.batch.lengths
  last = length - 1 if lengths is None else np.asarray(lengths) - 1
  return round(float(np.median(last - np.asarray(own.batch.events)[:, 0])))


def measure_signal(own: Instruments, params: Params) -> Signal:
  """Share of a batch's gradient that is the same for all batches, leaves (seeds,)."""
  found = compile_signal(own.run.program)(params, own.chunks)
  return Signal(*(_finite(leaf) for leaf in jax.device_get(found)))


def measure_memory(own: Instruments, params: Params) -> dict[str, np.ndarray] | None:
  """Whether the answer follows a swapped first event; None where nothing is one.

  Returns:
    `follows` and `stays`, shares of examples (seeds,); `distance`, the median over
    examples of log10 |s_t - s~_t| by steps since the event, (seeds, time).
  """
  if own.pair is None:
    return None
  found = jax.device_get(compile_memory(own.run.program)(params, *own.pair))
  return {
    "follows": np.asarray(found["follows"]),
    "stays": np.asarray(found["stays"]),
    "distance": _finite(found["state_distance"][own.layer].median),
  }


def _finite(values: Any) -> Float[np.ndarray, "..."]:
  """NaN for what no axis can show: a true zero's logarithm, an overflow."""
  values = np.asarray(values, float)
  return np.where(np.isfinite(values), values, np.nan)
