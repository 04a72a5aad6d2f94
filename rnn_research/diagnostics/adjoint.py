"""The total adjoint of each time step, read in the training backward pass.

a_t = dl/ds_t holds the loss at t and everything later. In an LSTM the figure is
`c_total` = dl/dc_t + (dh_t/dc_t)' dl/dh_t, since dl/dc_t at fixed h_t misses the way
through the output gate. Where the loss acts at every step, |a_t| mixes lags and
hides vanishing: the lag gain is the figure for that.
"""

from typing import NamedTuple

from jaxtyping import Bool, Float, Int

from rnn_research.array_types import AnyArray, Array
from rnn_research.diagnostics.over_examples import Curves, namespace, over_examples
from rnn_research.diagnostics.state import flatten_carry
from rnn_research.norms import scaled_norm
from rnn_research.unroll import Event, Measure


def total_adjoint(event: Event) -> Float[Array, "batch state"]:
  """The adjoint that is plotted: of the cell's probe, or of its whole carry."""
  return flatten_carry(event.probes or event.adjoint)


def _norm(event: Event) -> Float[Array, "batch"]:
  return scaled_norm(total_adjoint(event))


def _whole(event: Event):
  return event.adjoint


ADJOINT_NORM = Measure(inside=_norm)  # (time, batch): |a_t|
ADJOINT = Measure(inside=_whole)  # a carry of (time, batch, ...): dl/ds_t itself


class AdjointCurves(NamedTuple):
  """What a heat map of one layer and training step is drawn from; leaves (time,).

  Attributes:
    absolute: log10 |a_t| of an example's own loss, over the examples.
    relative: log10 |a_t| / |a_T|, T the last valid step in processing order.
    nonfinite: where some example's adjoint is not finite.
  """

  absolute: Curves
  relative: Curves
  nonfinite: Bool[AnyArray, "time"]


def adjoint_curves(
  norms: Float[AnyArray, "time batch"],
  count: Float[AnyArray, ""],
  lengths: Int[AnyArray, "batch"] | None,
  reverse: bool,
) -> AdjointCurves:
  """Reduces the norms that `ADJOINT_NORM` read.

  Args:
    norms: |d(mean loss)/ds_t|.
    count: what the loss was divided by; multiplied back in, because an example's
      own loss is.
    lengths: valid steps, None for all.
    reverse: whether the layer reads from the last step to the first.
  """
  xp = namespace(norms)
  time = norms.shape[0]
  steps = xp.arange(time)[:, None]
  if lengths is None:
    valid = xp.ones(norms.shape, bool)
    last = norms[0 if reverse else -1]
  else:
    valid = steps < lengths[None]
    index = xp.zeros_like(lengths) if reverse else xp.maximum(lengths - 1, 0)
    last = xp.take_along_axis(norms, index[None], axis=0)[0]
  log = xp.log(norms)
  return AdjointCurves(
    absolute=over_examples(log + xp.log(count), valid),
    relative=over_examples(log - xp.log(last)[None], valid & (last > 0)[None]),
    nonfinite=(valid & ~xp.isfinite(norms)).any(-1),
  )
