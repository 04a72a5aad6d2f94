"""Many small operations compiled into one function, which is how a CPU runs them best.

On CPU every operation of a program is a kernel of its own, called by a runtime that
costs more than a small kernel does. XLA compiles a call with the marks below into one
function instead, with all its loops. Nobody else reads the marks.

It can't do that with everything: a sort, a product of two matrices or a sum over many
entries is handed to a library, and inside of such a function the compiler gives up with
an error. So what is asked for is looked through first, and a function with an operation
that isn't known to be plain code stays as it is.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import ClosedJaxpr, Jaxpr

MARKS = {"xla_cpu_small_call": "true", "inlineable": "false"}

MANY = 4096  # entries from which XLA hands a reduction to its library

PLAIN = frozenset(
  """
  abs add add_any and bitcast_convert_type broadcast_in_dim ceil clamp concatenate
  convert_element_type copy cos cosh cumsum div dynamic_slice dynamic_update_slice eq
  erf erf_inv exp exp2 expm1 floor gather ge gt integer_pow iota is_finite le log log1p
  logistic lt max min mul ne neg not or pad pow random_bits random_fold_in random_seed
  random_split random_unwrap random_wrap rem reshape rev round rsqrt select_n shift_left
  shift_right_arithmetic shift_right_logical sign sin sinh slice split sqrt square
  squeeze stack stop_gradient sub tan tanh threefry2x32 tile transpose xor
  """.split()
)
REDUCTIONS = frozenset(
  "reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum".split()
)
AROUND_OTHERS = frozenset(
  "closed_call cond custom_jvp_call custom_vjp_call jit scan while".split()
)


def one_function(function: Callable[..., Any], *args: Any) -> Any:
  """`function(*args)`, on CPU as one function where XLA can compile it so.

  Args:
    function: of pytrees of arrays. Worth it where its operations are small: inside,
      nothing runs beside anything else.
    args: its own.
  """
  if not _is_plain(jax.make_jaxpr(function)(*args).jaxpr):
    return function(*args)

  def marked(*args):
    # Marks the operation that a value comes from: the call.
    return set_xla_metadata(jax.jit(function)(*args), **MARKS)

  return lax.platform_dependent(*args, cpu=marked, default=function)


def _is_plain(jaxpr: Jaxpr) -> bool:
  """Whether XLA has code for all of it, and calls no library."""
  return all(_has_code(equation) for equation in jaxpr.eqns)


def _has_code(equation: Any) -> bool:
  name = equation.primitive.name
  if name in REDUCTIONS:
    return equation.invars[0].aval.size < MANY
  if name == "dot_general":
    return _multiplies_a_vector(equation)
  if name in AROUND_OTHERS:
    return all(map(_is_plain, _inside(equation)))
  return name in PLAIN


def _multiplies_a_vector(equation: Any) -> bool:
  """Products of matrices, and sums of many products, are a library's."""
  (contracted, _), (batch, _) = equation.params["dimension_numbers"]
  x, y = (operand.aval for operand in equation.invars)
  if any(x.shape[axis] > 1 for axis in batch):
    return False
  terms = math.prod(x.shape[axis] for axis in contracted)
  least = min(x.size, y.size) // max(terms, 1)  # rows of the one that has fewer
  return (least == 1 or terms == 1) and (terms < MANY or x.size != y.size)


def _inside(equation: Any) -> list[Jaxpr]:
  """The functions that an operation calls."""

  def is_function(value):
    return isinstance(value, (Jaxpr, ClosedJaxpr))

  return [
    value.jaxpr if isinstance(value, ClosedJaxpr) else value
    for value in jax.tree.leaves(equation.params, is_leaf=is_function)
    if is_function(value)
  ]
