"""Truncated back-propagation through time: the whole forward pass, a cut gradient.

TBPTT(k1, k2): every k1 steps, the losses of the last k1 steps go back through at most
k2 >= k1 steps (Williams and Peng 1990; Sutskever 2013, section 2.8.6). A window of
k2 steps belongs to each chunk of k1. It begins from the true carry, a constant, and
its last k1 steps put out what the chunk does; all but those are run again for the
gradient alone.

Chunks are counted from the end, so that the first is the short one and not the last:
else the loss at the end, often the only one, would see a remainder of few steps.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Array, Carry
from rnn_research.cells import select
from rnn_research.unroll.scan import Rows

Run = Callable[[Carry, Any], tuple[Carry, tuple[Carry, Array]]]


def in_windows(
  run: Run,
  truncation: tuple[int, int],
  carry: Carry,
  rows: Rows,
  sinks: Any,
  reverse: bool,
) -> tuple[Carry, Array]:
  """What `run` returns, with a gradient that goes back at most k2 steps.

  Window by window, so that what is kept for the backward pass is one window and the
  carries that windows begin with; where they overlap, the rows are kept k2/k1 times.

  Args:
    run: takes the carry and (rows, sinks) of some steps to the carry behind them
      and (the carries, the outputs) of these steps.
    truncation: k1 and k2.
    carry: to begin with. Its gradient comes from the windows that begin with it,
      those in which an example has its first step.
    rows: of all steps.
    sinks: of all steps; None where windows overlap.
    reverse: from the last window to the first.

  Returns:
    The last carry and the outputs of all steps. An example's last carry is that of
    the chunk in which it ends, however much padding follows.
  """
  every, reach = truncation
  time, batch = rows.xs.shape[:2]
  if reach >= time:
    last, (_, ys) = run(carry, (rows, sinks))
    return last, ys
  count, shifts = -(-time // every), -(-reach // every)
  padding = (count + shifts - 1) * every - time
  if padding and rows.active is None:
    # Steps before the first, on which the carry stands still.
    rows = rows._replace(active=jnp.ones((time, batch), bool))
  overlap = reach - every
  windows = jax.tree.map(
    lambda leaf: _windows(leaf, every, reach, padding, reverse), (rows, sinks)
  )
  before = padding - (shifts * every - reach)  # steps of the first window's padding
  later = jnp.arange(count) * every > before
  if reverse:
    later = later[::-1]

  @jax.checkpoint
  def window(start, steps):
    last, (carries, ys) = run(start, steps)
    # The next window begins k1 steps on.
    begin = overlap if reverse else every - 1
    following = jax.tree.map(lambda leaf: lax.stop_gradient(leaf[begin]), carries)
    return last, following, _own(ys, every, reverse)

  def body(state, step):
    start, last, begun = state
    later, steps = step
    active = steps[0].active
    known = later if active is None else begun
    end, following, ys = window(select(known, start, carry), steps)
    if active is not None:
      end = select(_own(active, every, reverse).any(0), end, last)
      behind = active[overlap:] if reverse else active[:every]
      begun = begun | behind.any(0)
    return (following, end, begun), ys

  # Whether an example has had a step of its own: in reverse, padding comes first.
  begun = None if rows.active is None else jnp.zeros_like(rows.active[0])
  state = (lax.stop_gradient(carry), carry, begun)
  (_, last, _), ys = lax.scan(body, state, (later, windows), reverse=reverse)
  ys = ys.reshape(count * every, *ys.shape[2:])
  return last, ys[:time] if reverse else ys[count * every - time :]


def _windows(leaf: Array, every: int, reach: int, padding: int, reverse: bool) -> Array:
  """Rows (time, ...) as windows (chunks, reach, ...) in input order."""
  ends = (0, padding) if reverse else (padding, 0)
  padded = jnp.pad(leaf, (ends, *((0, 0),) * (leaf.ndim - 1)))
  blocks = padded.reshape(-1, every, *leaf.shape[1:])
  shifts = -(-reach // every)
  count = blocks.shape[0] - shifts + 1
  # Shifted copies and not a gather, whose gradient adds up in no fixed order on GPU.
  wide = jnp.concatenate([blocks[n : n + count] for n in range(shifts)], axis=1)
  return wide[:, :reach] if reverse else wide[:, wide.shape[1] - reach :]


def _own(steps: Array, every: int, reverse: bool) -> Array:
  """The steps of a window that are its chunk: the last processed."""
  return steps[:every] if reverse else steps[steps.shape[0] - every :]
