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
from itertools import compress
from typing import Any

import jax
from jax import lax
from jax.core import eval_jaxpr
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import (
  ClosedJaxpr,
  Jaxpr,
  Primitive,
  jaxpr_as_fun,
  jaxprs_in_params,
)
from jax.interpreters import ad, batching, mlir
from jax.interpreters.partial_eval import dce_jaxpr, dce_rules

MARKS = {"xla_cpu_small_call": "true", "inlineable": "false"}

MANY = 4096  # entries from which XLA hands a reduction to its library

PLAIN = frozenset(
  """
  abs add add_any and bitcast_convert_type broadcast_in_dim ceil clamp concatenate
  convert_element_type copy cos cosh cumsum div dynamic_slice dynamic_update_slice eq
  erf erf_inv exp exp2 expm1 floor gather ge gt integer_pow iota is_finite le log log1p
  logistic lt max min mul ne neg not or pad platform_index pow random_bits
  random_fold_in random_seed random_split random_unwrap random_wrap rem reshape rev
  round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin
  sinh slice split sqrt square squeeze stack stop_gradient sub tan tanh threefry2x32
  tile transpose xor
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

  Differentiated or batched by `vmap`, it is compiled as if it stood there by itself.

  Args:
    function: of pytrees of arrays. Worth it where its operations are small: inside,
      nothing runs beside anything else.
    args: its own.
  """
  closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
  if not _is_plain(closed.jaxpr):
    return function(*args)
  # What the function closes over becomes an argument: it may be followed, too.
  given = closed.consts, jax.tree.leaves(args)
  whole = jax.make_jaxpr(lambda consts, args: eval_jaxpr(closed.jaxpr, consts, *args))(
    *given
  )
  results = _call.bind(*jax.tree.leaves(given), jaxpr=whole)
  return jax.tree.unflatten(jax.tree.structure(shapes), results)


# An operation of its own, because a mark is no part of a function: it would stay on
# what batching makes of it, products of matrices for instance.
_call = Primitive("one_function")
_call.multiple_results = True


@_call.def_impl
def _run(*args, jaxpr):
  return jax.jit(jaxpr_as_fun(jaxpr))(*args)


@_call.def_abstract_eval
def _results(*_, jaxpr):
  return jaxpr.out_avals


def _batched(args, axes, *, jaxpr):
  results = jax.vmap(jaxpr_as_fun(jaxpr), in_axes=axes)(*args)
  return results, [0] * len(results)


def _differentiated(args, tangents, *, jaxpr):
  moves = [not isinstance(tangent, ad.Zero) for tangent in tangents]

  def of_what_moves(*moving):
    moving = iter(moving)
    return jaxpr_as_fun(jaxpr)(
      *(next(moving) if m else arg for arg, m in zip(args, moves, strict=True))
    )

  return jax.jvp(
    of_what_moves, list(compress(args, moves)), list(compress(tangents, moves))
  )


def _without_unused(used, equation):
  """What nobody reads isn't computed, and an argument of nothing else isn't passed."""
  if not any(used):
    return [False] * len(equation.invars), None
  left, asked = dce_jaxpr(equation.params["jaxpr"].jaxpr, used)
  return asked, equation.replace(
    invars=list(compress(equation.invars, asked)),
    outvars=list(compress(equation.outvars, used)),
    params={"jaxpr": ClosedJaxpr(left, ())},
  )


def _plain(*args, jaxpr):
  return jaxpr_as_fun(jaxpr)(*args)


def _marked(*args, jaxpr):
  def whole(*args):
    return jaxpr_as_fun(jaxpr)(*args), [arg.ravel()[:1] for arg in args]

  # jaxlib's compiler aborts on an argument that is a constant, and on one that nothing
  # reads when it is done: so the first are hidden, and of each an entry is read.
  # The mark is put on the operation that a value comes from: the call.
  hidden = lax.optimization_barrier(args)
  results, _ = set_xla_metadata(jax.jit(whole)(*hidden), **MARKS)
  return results


dce_rules[_call] = _without_unused
batching.primitive_batchers[_call] = _batched
ad.primitive_jvps[_call] = _differentiated
mlir.register_lowering(_call, mlir.lower_fun(_plain, multiple_results=True))
mlir.register_lowering(
  _call, mlir.lower_fun(_marked, multiple_results=True), platform="cpu"
)


def _is_plain(jaxpr: Jaxpr) -> bool:
  """Whether XLA has code for all of it, and calls no library."""
  return all(_has_code(equation) for equation in jaxpr.eqns)


def _has_code(equation: Any) -> bool:
  name = equation.primitive.name
  if name in REDUCTIONS:
    return equation.invars[0].aval.size < MANY
  if name == "reshard":
    return equation.invars[0].aval.size == 1  # nothing to move
  if name == "dot_general":
    return _multiplies_a_vector(equation)
  if equation.params.get("branches_platforms"):
    return _is_plain(_on_cpu(equation))
  if name in AROUND_OTHERS:
    return all(map(_is_plain, jaxprs_in_params(equation.params)))
  return name in PLAIN


def _on_cpu(choice: Any) -> Jaxpr:
  """What `lax.platform_dependent` runs there, and nobody else reads the marks."""
  platforms, branches = (
    choice.params[name] for name in ("branches_platforms", "branches")
  )
  taken = [names is None or "cpu" in names for names in platforms]
  return branches[taken.index(True)].jaxpr


def _multiplies_a_vector(equation: Any) -> bool:
  """Products of matrices, and sums of many products, are a library's."""
  (contracted, _), (batch, _) = equation.params["dimension_numbers"]
  x, y = (operand.aval for operand in equation.invars)
  if any(x.shape[axis] > 1 for axis in batch):
    return False
  terms = math.prod(x.shape[axis] for axis in contracted)
  least = min(x.size, y.size) // max(terms, 1)  # rows of the one that has fewer
  return (least == 1 or terms == 1) and (terms < MANY or x.size != y.size)
