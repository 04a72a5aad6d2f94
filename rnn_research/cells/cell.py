"""The contract of a cell: one step of a recurrence, written around named products.

A cell is a frozen dataclass; its fields are its options. It holds no arrays, so it
is hashable, equal by value, and can be a static argument of a jitted function.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from rnn_research.array_types import Array, Carry, Key, Params, Projection
from rnn_research.cells.initial import OURS, Initial
from rnn_research.cells.tape import Tape

Operation = Callable[[Params, Array], Array]


def dense(
  weights: Params, value: Float[Array, "*batch inputs"]
) -> Float[Array, "*batch columns"]:
  """Multiplies by `kernel`, and adds `bias` if there is one.

  A kernel in half precision multiplies a value rounded like it, and the products are
  added up in float32. A bias shorter than the kernel is wide belongs to the last
  columns: the gates before them have one already, from the input.
  """
  kernel = weights["kernel"]
  if kernel.dtype.itemsize < 4:
    value = value.astype(kernel.dtype)
    result = jnp.matmul(value, kernel, preferred_element_type=jnp.float32)
  else:
    result = value @ kernel
  return add_bias(weights, result)


def add_bias(
  weights: Params, product: Float[Array, "*batch columns"]
) -> Float[Array, "*batch columns"]:
  """What `dense` does behind its product."""
  if "bias" not in weights:
    return product
  bias = weights["bias"].astype(product.dtype)
  missing = product.shape[-1] - bias.shape[-1]
  bias = jnp.pad(bias, (missing, 0)) if missing else bias
  return product + bias.reshape((1,) * (product.ndim - 1) + bias.shape)


def zero_carry(projection: Float[Array, "*batch columns"], size: int) -> Array:
  """Zeros (*batch, size) of the projection's sharding, in float32 or wider.

  Made from the data, not from a shape, so that a carry has the type that a scan
  under an explicit mesh or inside `shard_map` asks of it. Half precision is
  promoted: a memory kept in bfloat16 stops adding up after a few hundred steps.
  """
  half = projection.dtype.itemsize < 4
  dtype = jnp.float32 if half else projection.dtype
  if size <= projection.shape[-1]:
    return jnp.zeros_like(projection[..., :size], dtype=dtype)
  repeats = -(-size // projection.shape[-1])
  wide = jnp.concatenate([projection] * repeats, axis=-1)
  return jnp.zeros_like(wide[..., :size], dtype=dtype)


def _promoted(leaf: Array) -> Array:
  half = jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize < 4
  return leaf.astype(jnp.float32) if half else leaf


class Joined(NamedTuple):
  """Gates of a product that meet those of the projection in a sum and nowhere else.

  Their cotangent is then the projection's, times the gate that they are multiplied by
  before the sum, and isn't stored.

  Attributes:
    product: its name.
    gates: how many, all equally wide.
    by: name of the gate that multiplies them; None if they are added as they are.
  """

  product: str
  gates: int
  by: str | None = None


@dataclasses.dataclass(frozen=True)
class Cell:
  """One step of a recurrence: carry_t = step(carry_{t-1}, project(x_t)).

  Every multiplication by a recurrent weight goes through `tape.product(name, value)`.
  Whoever runs the step supplies the tape: a forward scan records the results, the
  backward scan plays them back, streaming inference just multiplies. So the
  equations stand in one place and one adjoint serves every cell.

  Laws that every cell keeps: `input_operation` and the operations of `products` are
  affine in their value and linear in their weights; `step` uses parameters other
  than those of products only as vectors that broadcast over the batch.
  """

  @property
  def products(self) -> tuple[tuple[str, Operation], ...]:
    """Names and operations of the recurrent weights; empty for diagonal cells."""
    raise NotImplementedError

  @property
  def opaque(self) -> bool:
    """Whether the step is somebody else's, so that it names no products and gates."""
    return False

  @property
  def joined(self) -> tuple[Joined, ...]:
    """What `step` adds to the projection, if it does nothing else with it.

    Gate by gate in the order of the projection's columns, and of each product's; all
    of both, or nothing. A subclass with a step of its own says it anew.
    """
    return ()

  @property
  def gate_order(self) -> dict[str, tuple[str, ...]]:
    """Gates of each dense product, in the order of its kernel's columns."""
    return {}

  @property
  def probes(self) -> tuple[str, ...]:
    """Names of intermediate values whose total adjoint can be measured."""
    return ()

  def init(
    self, key: Key, input_size: int, hidden_size: int, initial: Initial = OURS
  ) -> Params:
    """Draws the parameters: {"input": ..., product: ..., vectors: ...}."""
    raise NotImplementedError

  @property
  def input_operation(self) -> Operation:
    """How the input's weights act on x; affine in x, leading axes are free."""
    return dense

  def project(self, input_params: Params, x: Array) -> Projection:
    """The part of the step that needs no carry."""
    return self.input_operation(input_params, x)

  def initial_carry(self, params: Params, projection: Projection) -> Carry:
    """The carry before the first step, shaped and placed like the data."""
    raise NotImplementedError

  def first_carry(
    self, params: Params, projection: Projection, given: Carry | None
  ) -> Carry:
    """The carry that a sequence begins with: the given one, or the cell's own.

    Half precision is promoted, as in `zero_carry`.
    """
    if given is None:
      return self.initial_carry(params, projection)
    return given if self.opaque else jax.tree.map(_promoted, given)

  def noise(self, key: Key, time: int, projection: Projection) -> Any:
    """Random numbers of all steps, leading axis time; None if the cell has none."""
    return None

  def step(
    self,
    tape: Tape,
    params: Params,
    carry: Carry,
    projection: Projection,
    noise: Any,
    context: Any,
  ) -> tuple[Carry, dict[str, Array]]:
    """One step; returns the new carry and the named gate activations.

    `params` holds the vectors only; `noise` None asks for the expectation.
    """
    raise NotImplementedError

  def output(self, carry: Carry, x: Array) -> Array:
    """What the layer above sees of a carry and its input; runs outside the scan."""
    return carry.hidden

  def output_size(self, hidden_size: int) -> int:
    """Entries of one output vector."""
    return hidden_size

  def vectors(self, params: Params) -> Params:
    """The parameters that are neither the input map nor a product."""
    weighted = {name for name, _ in self.products} | {"input"}
    return {name: p for name, p in params.items() if name not in weighted}


def select(flag: Array | None, chosen: Any, other: Any) -> Any:
  """Per example, `chosen` where the flag is set; all of it where there is no flag."""
  if flag is None:
    return chosen

  def pick(a, b):
    return jnp.where(flag.reshape(flag.shape + (1,) * (a.ndim - flag.ndim)), a, b)

  return jax.tree.map(pick, chosen, other)
