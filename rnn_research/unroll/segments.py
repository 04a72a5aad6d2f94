"""Long sequences in bounded memory: only the carries between segments are kept.

The forward pass runs segment by segment and stores the carry each began with; the
backward pass runs a segment again before it goes back through it. One level with
segments of about sqrt(T) steps needs O(sqrt(T)) memory and one more forward pass
(Chen et al. 2016); each further level takes a further root and a further pass.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnn_research.array_types import Carry

Run = Callable[[Carry, Any], tuple[Carry, Any]]


# Below, a segment's second forward pass costs more than it saves.
LONG = 2000  # steps


def default_levels(time: int) -> int:
  """Levels that pay: one for long sequences, none for others."""
  return int(time >= LONG)


def balanced_segments(time: int, levels: int = 1) -> tuple[int, ...]:
  """Steps of the segments of each level, outermost first, so that all weigh alike.

  With L levels a loop on any level has about T^(1/(L+1)) turns.

  Args:
    time: T, at least 1.
    levels: L; 0 has no segments, and more than T can be halved do nothing.
  """
  levels = min(levels, time.bit_length() - 1)
  turns = time ** (1 / (levels + 1))
  return tuple(math.ceil(time / turns**level) for level in range(1, levels + 1))


def in_segments(
  run: Run, segments: tuple[int, ...], carry: Carry, rows: Any, reverse: bool
) -> tuple[Carry, Any]:
  """What `run(carry, rows)` returns, computed segment by segment.

  Args:
    run: takes the carry and the rows of some steps, leaves (time, ...), to the
      carry behind them and outputs of as many steps.
    segments: steps of a segment on each level, outermost first; () just runs.
    carry: to begin with.
    rows: of all steps.
    reverse: from the last segment to the first.
  """
  time = jax.tree.leaves(rows)[0].shape[0]
  if not segments:
    return run(carry, rows)
  if segments[0] >= time:
    return in_segments(run, segments[1:], carry, rows, reverse)
  size, inner = segments[0], segments[1:]
  count, rest = divmod(time, size)

  @jax.checkpoint
  def segment(carry, rows):
    return in_segments(run, inner, carry, rows, reverse)

  # What doesn't fill a segment is processed last.
  cut = rest if reverse else time - rest
  early = jax.tree.map(lambda leaf: leaf[:cut], rows)
  late = jax.tree.map(lambda leaf: leaf[cut:], rows)
  filled, remainder = (late, early) if reverse else (early, late)
  stacked = jax.tree.map(
    lambda leaf: leaf.reshape(count, size, *leaf.shape[1:]), filled
  )
  carry, ys = lax.scan(segment, carry, stacked, reverse=reverse)
  ys = jax.tree.map(lambda leaf: leaf.reshape(count * size, *leaf.shape[2:]), ys)
  if rest:
    carry, others = segment(carry, remainder)
    parts = (others, ys) if reverse else (ys, others)
    ys = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
  return carry, ys
