"""What each lag contributes to the gradient of every parameter.

    G_k = mean over b of  (dF/dparams at step T_b - k)' a_{T_b - k}
                        + (dG/dparams at step T_b - k)' dl_b/dy_{T_b - k}

s_t = F(s_{t-1}), y_t = G(s_t), T_b the example's last valid step: the sum over all k is
the gradient of the mean loss. Where the loss reads one step, the last, k is how far
back the gradient has travelled; where it reads several, k is a place and no distance.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from rnn_research.array_types import Array
from rnn_research.diagnostics.own.fork import Step, new_carry, output_from
from rnn_research.diagnostics.own.run import Passes


class Contribution(NamedTuple):
  """Of one parameter leaf, or of all together, by lag.

  The two by K have time + 1 entries, K = 0 .. time; the others have time, k = 0 ..
  time - 1. NaN where a gradient of zero leaves nothing to compare with.

  Attributes:
    norm: |G|, the length of the whole gradient.
    truncation_error: e_K = |sum over k >= K of G_k| / |G|; what TBPTT(K) loses where
      the loss reads the last step alone.
    cosine: of the angle between the sum over k < K of G_k and G.
    signed_share: <G_k, G> / |G|^2; sums to 1.
    norm_share: |G_k| / sum over j of |G_j|; not what a lag adds to the whole.
    coherence: (|sum_b G_k^b|^2 - S) / ((B - 1) S), S = sum_b |G_k^b|^2: 1 if all
      examples agree, 0 for noise; NaN for a single example.
  """

  norm: Float[Array, ""]
  truncation_error: Float[Array, "lags"]
  cosine: Float[Array, "lags"]
  signed_share: Float[Array, "lags"]
  norm_share: Float[Array, "lags"]
  coherence: Float[Array, "lags"]


class _Measured(NamedTuple):
  """Of G_k and of the sum so far, a list of leaves; in units as below."""

  total: list[Array]
  total_whole: list[Array]
  single: list[Array]
  single_whole: list[Array]
  examples: list[Array]


class _Sums(NamedTuple):
  """Squares and products of one leaf, in units of its gradient's largest entry."""

  whole: Array  # |G|^2
  tail: Array  # |sum over k >= K|^2
  head: Array  # |sum over k < K|^2
  head_whole: Array  # <sum over k < K, G>
  single: Array  # |G_k|^2
  single_whole: Array  # <G_k, G>
  examples: Array  # sum_b |G_k^b|^2, of the mean's summands


def contributions(
  step: Step, params: Any, found: Passes, ends: Int[Array, "batch"]
) -> dict[str, Contribution]:
  """By slash path of the leaf; `all` holds every leaf together, NaN without any.

  Args:
    step: as in `diagnose`.
    params: as in `diagnose`.
    found: both passes.
    ends: valid steps of each example.
  """
  time, batch = found.xs.shape[:2]
  leaves, _ = jax.tree_util.tree_flatten_with_path(found.gradient)
  if not leaves:
    return {"all": _of_nothing(time)}
  names = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in leaves]
  gradient = [leaf for _, leaf in leaves]
  sizes = jnp.stack([jnp.abs(leaf).max() for leaf in gradient])
  units = jnp.where(sizes > 0, sizes, 1)
  whole = [leaf / unit for leaf, unit in zip(gradient, units, strict=True)]

  lags = jnp.arange(time)
  valid = lags[:, None] < ends[None]
  index = jnp.maximum(ends[None] - 1 - lags[:, None], 0)

  def by_lag(leaf):
    at = index.reshape(time, batch, *(1,) * (leaf.ndim - 2))
    return jnp.take_along_axis(leaf, at, axis=0)

  rows = jax.tree.map(by_lag, (found.starts, found.xs, found.adjoint, found.outputs))

  def one_example(start, x, adjoint, output, valid):
    """One summand of G_k, through a batch of one."""
    single = jax.tree.map(lambda leaf: leaf[None], (start, x, adjoint, output))
    start, x, adjoint, output = single
    new = new_carry(step, params, start, x)

    def parts(params):
      y = output_from(step, params, start, x, new)
      return new_carry(step, params, start, x), y

    _, pull = jax.vjp(parts, params)
    (found,) = pull((adjoint, output))
    return [
      jnp.where(valid, leaf / (batch * unit), 0)
      for leaf, unit in zip(jax.tree.leaves(found), units, strict=True)
    ]

  def along(order):
    """Adds up G_k in an order of lags, and measures it and the sum so far."""

    def body(total, lag):
      row = jax.tree.map(lambda leaf: leaf[lag], (*rows, valid))
      each = jax.vmap(one_example)(*row)
      single = [leaf.sum(0) for leaf in each]
      total = [t + s for t, s in zip(total, single, strict=True)]
      return total, _Measured(
        total=[_square(t) for t in total],
        total_whole=[(t * w).sum() for t, w in zip(total, whole, strict=True)],
        single=[_square(s) for s in single],
        single_whole=[(s * w).sum() for s, w in zip(single, whole, strict=True)],
        examples=[_square(leaf) for leaf in each],
      )

    zero = [jnp.zeros_like(leaf) for leaf in whole]
    return jax.lax.scan(body, zero, order)[1]

  # Two sums, each from its own side: whole minus tail is nothing but rounding where
  # the tail is nearly all.
  both = jax.lax.map(along, jnp.stack([lags, lags[::-1]]))
  near = jax.tree.map(lambda leaf: leaf[0], both)
  far = jax.tree.map(lambda leaf: leaf[1, ::-1], both)

  found = {}
  sums = []
  for n, name in enumerate(names):
    edge = jnp.zeros_like(near.total[n][:1])
    sums.append(
      _Sums(
        whole=_square(whole[n]),
        tail=jnp.concatenate([far.total[n], edge]),
        head=jnp.concatenate([edge, near.total[n]]),
        head_whole=jnp.concatenate([edge, near.total_whole[n]]),
        single=near.single[n],
        single_whole=near.single_whole[n],
        examples=near.examples[n],
      )
    )
    found[name] = _finish(sums[n], units[n], batch)
  largest = units.max()
  weights = jnp.square(units / largest)
  together = jax.tree.map(
    lambda *parts: sum(w * p for w, p in zip(weights, parts, strict=True)), *sums
  )
  return found | {"all": _finish(together, largest, batch)}


def _of_nothing(time: int) -> Contribution:
  """Where there are no parameters."""
  by_kept, by_lag = jnp.full(time + 1, jnp.nan), jnp.full(time, jnp.nan)
  return Contribution(jnp.zeros(()), by_kept, by_kept, by_lag, by_lag, by_lag)


def _square(value):
  return jnp.square(value).sum()


def _finish(sums: _Sums, unit, batch: int) -> Contribution:
  size = jnp.sqrt(sums.whole)
  lengths = jnp.sqrt(sums.single)
  head = jnp.sqrt(sums.head)
  noise = (batch - 1) * sums.examples if batch > 1 else jnp.nan
  return Contribution(
    norm=unit * size,
    truncation_error=jnp.sqrt(sums.tail) / size,
    cosine=jnp.clip(sums.head_whole / (head * size), -1, 1),
    signed_share=sums.single_whole / sums.whole,
    norm_share=lengths / lengths.sum(),
    coherence=(sums.single - sums.examples) / noise,
  )
