"""Units of a layer one by one: how long each keeps, and which do nothing.

Retention r_t of a unit is the diagonal of the direct part of ds_t/ds_{t-1}, what is
left of its memory with the results of all recurrent products held fixed: the LSTM's
forget gate, the GRU's coefficient of h whichever way its z is written. Its time scale
is tau = -1 / mean ln r, that of a product of r's; a mean of 1 / (1 - r) is larger and
no time in which anything fades.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from rnn_research.array_types import Array
from rnn_research.cells import Tape, select
from rnn_research.diagnostics.saturation import FAR, HIGH, LOW, SIGNED
from rnn_research.diagnostics.state import recurrent_operations, retrace
from rnn_research.unroll import Trace
from rnn_research.unroll.products import as_rows

STILL = 1e-3  # range of an activation below which it never varies


class Activity(NamedTuple):
  """What each unit of one gate does over all valid steps and examples; (units,).

  Attributes:
    dead: never varies by more than `STILL`.
    low: always at the lower end: sigmoid < 0.1, tanh < -0.95.
    high: always at the upper end: sigmoid > 0.9, tanh > 0.95.
  """

  dead: Bool[Array, "*units"]
  low: Bool[Array, "*units"]
  high: Bool[Array, "*units"]


class Units(NamedTuple):
  """The units of a layer.

  Attributes:
    retention: mean ln |r| of each unit, nats per step, over the steps that begin
      with what the one before left; minus infinity for a unit without direct part
      (Elman), NaN where every step is a reset.
    time_scale: tau in steps, 0 where nothing is kept directly; its distribution is
      the figure, not its mean. Negative for a unit that amplifies.
    gates: by the names that the cell gives them.
    state: of the memory itself: `dead` alone, since it has no end in general.
  """

  retention: Float[Array, "*units"]
  time_scale: Float[Array, "*units"]
  gates: dict[str, Activity]
  state: Bool[Array, "*units"]


def log_retention(trace: Trace) -> Float[Array, "time batch *units"]:
  """ln |r_t|, in processing order; NaN in padding, minus infinity behind a reset."""
  return _replay(trace)[0]


def unit_statistics(trace: Trace) -> Units:
  """Retention, time scale and activity of every unit of a layer."""
  log, gates, memory, valid, kept = _replay(trace)
  wide = kept.reshape(kept.shape + (1,) * (log.ndim - 2))
  number = kept.sum().astype(log.dtype)
  retention = jnp.where(wide, log, 0).sum((0, 1)) / number
  return Units(
    retention=retention,
    time_scale=-1 / retention,
    gates={name: _activity(name, gate, valid) for name, gate in gates.items()},
    state=_extent(memory, valid) <= STILL,
  )


def _replay(trace: Trace) -> tuple[Array, dict[str, Array], Array, Array, Array]:
  """ln|r|, gates and memory of all steps; which are valid, and which no reset."""
  initial, path = retrace(trace)
  cell, params = trace.cell, trace.params
  operations = recurrent_operations(cell)

  def product(name, value):
    return jax.lax.stop_gradient(operations[name](params[name], value))

  vectors = as_rows(cell.vectors(params), trace.xs.ndim - 1)

  def at(start, row):
    def step(memory):
      carry = _with_memory(start, memory)
      carry = carry if row.reset is None else select(row.reset, initial, carry)
      return cell.step(
        Tape(product), vectors, carry, row.projection, row.noise, trace.context
      )

    memory = _memory(start)
    # Diagonal, so its product with a vector of ones is its diagonal.
    run, along, gates = jax.jvp(
      lambda m: _first(step(m)), (memory,), (jnp.ones_like(memory),), has_aux=True
    )
    return jnp.log(jnp.abs(along)), gates, run

  log, gates, memory = jax.vmap(at)(path.starts, path.rows)
  time = trace.xs.shape[0]
  steps = jnp.arange(time)[:, None]
  valid = (steps >= (path.ends - path.valid)[None]) & (steps < path.ends[None])
  wide = valid.reshape(valid.shape + (1,) * (log.ndim - 2))
  resets = path.rows.reset
  kept = valid if resets is None else valid & ~resets
  return jnp.where(wide, log, jnp.nan), gates, memory, valid, kept


def _first(stepped: tuple[Any, dict[str, Array]]) -> tuple[Array, dict[str, Array]]:
  carry, gates = stepped
  return _memory(carry), gates


def _memory(carry: Any) -> Array:
  """The leaf that keeps: c of an LSTM, h where it is alone; a carry's first."""
  return jax.tree.leaves(carry)[0]


def _with_memory(carry: Any, memory: Array) -> Any:
  leaves, tree = jax.tree.flatten(carry)
  return jax.tree.unflatten(tree, [memory, *leaves[1:]])


def _activity(name: str, gate: Array, valid: Array) -> Activity:
  low, high = (-FAR, FAR) if name in SIGNED else (LOW, HIGH)
  lowest, highest = _ends(gate, valid)
  return Activity(dead=highest - lowest <= STILL, low=highest < low, high=lowest > high)


def _extent(values: Array, valid: Array) -> Array:
  lowest, highest = _ends(values, valid)
  return highest - lowest


def _ends(values: Array, valid: Array) -> tuple[Array, Array]:
  """Smallest and largest value of each unit over valid steps and examples."""
  wide = valid.reshape(valid.shape + (1,) * (values.ndim - 2))
  lowest = jnp.where(wide, values, jnp.inf).min((0, 1))
  highest = jnp.where(wide, values, -jnp.inf).max((0, 1))
  return lowest, highest
