"""The share of one time step, for one example, in a recurrent weight's gradient.

The gradient of a dense product's kernel is the sum over steps and examples of
dW_t = h_{t-1} (x) dz_t, of rank one each: |dW_t| = |h_{t-1}| |dz_t| exactly, and
no dW_t is ever formed. Norms of parts do not add: a sum of these is no gradient norm.
"""

from jaxtyping import Float, Int

from rnn_research.array_types import AnyArray, Array
from rnn_research.diagnostics.over_examples import Curves, namespace, over_examples
from rnn_research.unroll import Stacked


def weight_factors(stacked: Stacked) -> dict[str, tuple[Array, Array]]:
  """h and dz of each dense product, (time, batch, ...); others form no dW_t."""
  return {
    name: (stacked.values[name], cotangent)
    for name, cotangent in stacked.products.items()
    if cotangent.ndim == 3
  }


def weight_curves(
  norms: dict[str, Float[AnyArray, "time batch"]],
  count: Float[AnyArray, ""],
  lengths: Int[AnyArray, "batch"] | None,
) -> dict[str, Curves]:
  """log10 |dW_t| of an example's own loss, over the examples; leaves (time,).

  Args:
    norms: of the loss as differentiated.
    count: what that was divided by, 1 in training; multiplied back in.
    lengths: valid steps, None for all.
  """
  curves = {}
  for name, norm in norms.items():
    xp = namespace(norm)
    valid = xp.ones(norm.shape, bool)
    if lengths is not None:
      valid = xp.arange(norm.shape[0])[:, None] < lengths[None]
    curves[name] = over_examples(xp.log(norm) + xp.log(count), valid)
  return curves
