"""Path gain: what of a gradient never leaves the direct path.

|D' ... D' a| / |a| over k steps, D_t = ds_t/ds_{t-1} at fixed products, beside the
loss gain |J' ... J' a| / |a|. One step's shares mislead here: four fifths of each step
can be direct where over 50 steps a two-thousandth is.
"""

from jaxtyping import Float

from rnn_research.array_types import Array
from rnn_research.diagnostics.direct import advance_directly
from rnn_research.diagnostics.lag import gain_along
from rnn_research.unroll import Trace


def path_gain(
  trace: Trace, adjoint: Float[Array, "batch state"]
) -> Float[Array, "lags batch"]:
  """ln |D_{T-k+1}' ... D_T' a| / |a|; shaped and marked as `loss_gain`.

  Minus infinity from lag 1 on where a cell has no direct path (Elman).

  Args:
    trace: the application of a cell.
    adjoint: a = dl/ds_T, of the last valid state.
  """
  return gain_along(trace, adjoint[None], advance_directly)[:, 0]
