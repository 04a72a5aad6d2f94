"""The third program: Lyapunov exponents of every layer, on sequences of its own."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Scalar
from rnn_research.cells import Elman
from rnn_research.diagnostics import flatten_carry, lyapunov_exponents
from rnn_research.models import make_traces
from rnn_research.training.devices import NARROW, VECTOR_WIDTH
from rnn_research.training.placement import over_seeds
from rnn_research.training.program import Program
from rnn_research.training.random_keys import INSPECTION
from rnn_research.unroll import Trace


class LayerExponents(NamedTuple):
  """Exponents of one layer, and what the mean field predicts them from.

  Attributes:
    exponents: the largest, nats per step.
    size: entries of the state, n.
    weight_scale: of a tanh network sqrt(n) times the rms of its recurrent weights,
      as if they were independent; None of any other.
    input_variance: mean square of what its units receive from the input.
  """

  exponents: Float[Array, "count examples"]
  size: Float[Array, ""]
  weight_scale: Scalar | None
  input_variance: Scalar | None


@functools.cache
def compile_exponents(program: Program, count: int) -> Callable[..., Any]:
  """A jitted `(params, batch) -> {layer: LayerExponents}` with a leading seed axis.

  Of a running training or of the parameters of a checkpoint: these, with a leading
  seed axis, and any batch are all that it takes. A state of less than `count`
  entries has as many exponents as entries.
  """

  def one_seed(params, batch):
    traces = make_traces(program.inspected, params, batch)
    return {layer: _layer(trace, count) for layer, trace in traces.items()}

  # Frames of a few columns leave wide vectors half empty: a seventh faster without.
  on_cpu = program.layout.platform == "cpu"
  options = {VECTOR_WIDTH: NARROW} if on_cpu else {}
  return jax.jit(over_seeds(program.layout, one_seed), compiler_options=options)


def largest_exponents(
  trace: Trace, count: int, key: Any, interval: int | None = None
) -> Array:
  """`lyapunov_exponents`, as many as there are at most; (count, batch)."""
  return lyapunov_exponents(trace, min(count, state_size(trace)), interval, key=key)


def state_size(trace: Trace) -> int:
  """Entries of one state of a layer."""
  return jax.eval_shape(lambda t: flatten_carry(t.run()[0]), trace).shape[-1]


def _layer(trace, count):
  # The same directions for every layer, seed and step: spectra differ by the network.
  exponents = largest_exponents(trace, count, jax.random.key(INSPECTION))
  size = jnp.full((), state_size(trace), exponents.dtype)
  if trace.cell != Elman():  # with tanh, and no norm
    return LayerExponents(exponents, size, None, None)
  kernel = trace.params["hidden"]["kernel"]
  received = jnp.square(trace.cell.project(trace.params["input"], trace.xs))
  if trace.lengths is not None:
    valid = jnp.arange(trace.xs.shape[0])[:, None] < trace.lengths[None]
    received = jnp.where(valid[..., None], received, jnp.nan)
  return LayerExponents(
    exponents=exponents,
    size=size,
    weight_scale=jnp.sqrt(jnp.square(kernel).mean() * size.astype(kernel.dtype)),
    input_variance=jnp.nanmean(received),
  )
