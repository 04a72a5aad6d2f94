"""One unroll for every cell and use."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Inputs, Key, Lengths, Params, Resets
from rnn_research.cells import Cell, dense, select
from rnn_research.unroll.edits import Edit
from rnn_research.unroll.fused import fused_scan
from rnn_research.unroll.scan import Plan, Rows, rounded_weights, scan_cell
from rnn_research.unroll.segments import in_segments
from rnn_research.unroll.taps import Measure, Readings
from rnn_research.unroll.truncation import in_windows


def unroll(
  cell: Cell,
  params: Params,
  xs: Inputs,
  *,
  lengths: Lengths | None = None,
  resets: Resets | None = None,
  initial_carry: Carry | None = None,
  reverse: bool = False,
  key: Key | None = None,
  context: Any = None,
  adjoint: Literal["fused", "autodiff"] = "fused",
  projection: Literal["step", "whole"] = "step",
  segments: tuple[int, ...] = (),
  truncation: tuple[int, int] | None = None,
  compute_dtype: Any = None,
  edit: Edit | None = None,
  taps: tuple[Measure, Readings] | None = None,
) -> tuple[Carry, Float[Array, "time batch *outputs"]]:
  """Runs a cell over a sequence, forward or backward in time.

  Args:
    cell: the cell.
    params: its parameters.
    xs: (time, batch, *features). Counts, pixels and flags are multiplied as floats.
    lengths: valid steps of each example, 0 to time. On padding the carry stands
      still and the output is zero; padded inputs may hold anything, NaN included.
    resets: True where a step begins from the initial carry. Under `reverse` a
      sequence ends where the next begins, so resets[t + 1] acts at step t.
    initial_carry: None is the cell's own; half precision is promoted.
    reverse: from the last valid step to the first; outputs stay in input order, so
      the summary of a backward pass is the output at position 0.
    key: of the cell's noise; None asks for its expectation.
    context: what every step may look at (an encoder's memory, say).
    adjoint: "fused" is back-propagation through time in one scan, reverse mode
      only; "autodiff" differentiates the scan, in either mode, and is its oracle.
    projection: "step" multiplies each input in its own step, "whole" all of them
      before the scan (more memory; for devices that reward large products).
    segments: steps of the segments of each level, outermost first, as made by
      `balanced_segments`: memory for long sequences, paid with a forward pass a
      level. () keeps every step. The outputs still take their place where the loss
      uses them; a loss on the last carry alone doesn't.
    truncation: (k1, k2) cuts the gradient and leaves the values: the losses of each
      k1 steps go back at most k2 steps, see `in_windows`. None is the whole
      gradient. Chunks are counted from the end, in processing order.
    compute_dtype: what dense products round their factors to, jnp.bfloat16 say; they
      add up in float32, and carries, gates and gradients stay as they are. None
      multiplies in the dtype of the parameters.
    edit: what becomes of the adjoint that each valid step hands to the one before
      (or to the initial carry), `AdjointClip` say; needs the fused adjoint. Static,
      so best a function of the module or a value that hashes. None hands it on.
    taps: (measure, sinks), as made by `make_sinks`; needs the fused adjoint.

  Returns:
    The carry behind the last step in processing order, and the outputs.

  Raises:
    ValueError: if taps are asked of autodiff or of windows that overlap, an edit of
      autodiff, a segment is not positive, or a truncation is not, or stands beside
      segments.
  """
  time, batch = xs.shape[:2]
  if cell.input_operation is dense and not jnp.issubdtype(xs.dtype, jnp.floating):
    xs = xs.astype(params["input"]["kernel"].dtype)
  active = None
  if lengths is not None:
    active = jnp.arange(time)[:, None] < lengths[None, :]
    mask = active.reshape(time, batch, *(1,) * (xs.ndim - 2))
    # Zeroed before the cell, not only behind it: NaN times a zero cotangent is NaN.
    xs = jnp.where(mask, xs, 0)
  if resets is not None and reverse:
    resets = jnp.concatenate([resets[1:], jnp.zeros_like(resets[:1])])
  weights = rounded_weights(cell, params, compute_dtype)
  first = cell.project(weights["input"], xs[0])
  initial_carry = cell.first_carry(params, first, initial_carry)
  noise = None if key is None else cell.noise(key, time, first)

  if taps is not None and adjoint != "fused":
    raise ValueError("taps are read in the fused adjoint; set adjoint='fused'")
  if edit is not None and adjoint != "fused":
    raise ValueError("edit acts in the fused adjoint; set adjoint='fused'")
  if any(steps < 1 for steps in segments):
    raise ValueError(f"segments: {segments} holds one of no steps; use at least 1")
  if truncation is not None:
    _check_truncation(truncation, segments, taps)
  plan = Plan(cell, reverse, projection == "whole", compute_dtype, edit)
  measure, sinks = taps or (None, None)

  def run(carry, steps):
    rows, sinks = steps
    if adjoint == "fused":
      carry, carries = fused_scan(
        plan, measure, params, rows, carry, initial_carry, context, sinks
      )
    else:
      carry, trajectory = scan_cell(plan, params, rows, carry, initial_carry, context)
      carries = trajectory.carries
    return carry, (carries, _outputs(cell, rows.xs, carries, rows.active))

  def run_segment(carry, steps):
    carry, (_, ys) = run(carry, steps)
    return carry, ys

  rows = Rows(jnp.arange(time), xs, active, resets, noise)
  if truncation is not None:
    return in_windows(run, truncation, initial_carry, rows, sinks, reverse)
  return in_segments(run_segment, segments, initial_carry, (rows, sinks), reverse)


def _check_truncation(truncation, segments, taps):
  every, reach = truncation
  if not 1 <= every <= reach:
    raise ValueError(f"truncation: {truncation} is not 1 <= k1 <= k2")
  if segments:
    raise ValueError(
      "truncation and segments: each bounds the memory by itself; leave out one"
    )
  if taps is not None and reach > every:
    raise ValueError(
      f"truncation: windows of {truncation} overlap, and a sink that several of them "
      "use receives a sum; use k2 = k1, or no taps"
    )


def _outputs(cell, xs, carries, active):
  """Outputs of all steps, outside the scan and its adjoint.

  So dl/ds_t is one well-defined object: the output is a function of s_t.
  """
  ys = jax.vmap(cell.output)(carries, xs)
  return select(active, ys, jnp.zeros_like(ys))
