"""A user's step, opened where its new carry forks into the output and the next step.

The adjoint of s_t holds the loss on y_t and all that is later. In

    new, y = step(params, carry, x)

y is computed from the new carry inside of the step, behind which a perturbation of
`new` misses it (for the last step all of it). So the step is traced once, and y is
evaluated anew from a new carry that is given: y_t = G(s_t), the rest held fixed.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Literal, Var, jaxprs_in_params

from rnn_research.array_types import Carry
from rnn_research.errors import StepError

Step = Callable[[Any, Carry, Any], tuple[Carry, Any]]

# Calls that can be opened: what they wrap computes the same without them.
CALLS = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2")


def new_carry(step: Step, params: Any, carry: Carry, x: Any) -> Carry:
  """s_t = F(s_{t-1}), without the output."""
  return step(params, carry, x)[0]


def output_from(step: Step, params: Any, carry: Carry, x: Any, new: Carry) -> Any:
  """y_t = G(s_t): the step's output with `new` in the place of its new carry.

  Whatever the step computes on the way from its new carry to the output is computed
  from `new`; where it computes the output from something else, that stays. Equal to
  `step(params, carry, x)[1]` where `new` is the step's own.

  Raises:
    StepError: if one loop, branch or function with a derivative of its own returns
      both, so that the fork lies in what can't be opened.
  """
  arguments = (params, carry, x)
  closed, shapes = jax.make_jaxpr(step, return_shape=True)(*arguments)
  leaves = jax.tree.leaves(new)
  given = {
    var: leaf
    for var, leaf in zip(closed.jaxpr.outvars[: len(leaves)], leaves, strict=True)
    if isinstance(var, Var)
  }
  outputs = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(arguments), given)
  return jax.tree.unflatten(jax.tree.structure(shapes[1]), outputs[len(leaves) :])


def _evaluate(jaxpr, consts, arguments, given) -> list[Any]:
  """The outputs of a traced function in which some results are replaced."""
  values = dict(zip(jaxpr.constvars, consts, strict=True))
  values |= dict(zip(jaxpr.invars, arguments, strict=True))

  def read(atom):
    return atom.val if isinstance(atom, Literal) else values[atom]

  for equation in jaxpr.eqns:
    inputs = [read(atom) for atom in equation.invars]
    results = _results(equation, inputs, given)
    for var, result in zip(equation.outvars, results, strict=True):
      values[var] = given.get(var, result)
  return [read(atom) for atom in jaxpr.outvars]


def _results(equation, inputs, given):
  replaced = [var in given for var in equation.outvars]
  if equation.primitive.name in CALLS:
    inner = equation.params["jaxpr"]
    consts = getattr(inner, "consts", ())
    inner = getattr(inner, "jaxpr", inner)
    inside = {
      var: given[outer]
      for var, outer, found in zip(
        inner.outvars, equation.outvars, replaced, strict=True
      )
      if found and isinstance(var, Var)
    }
    return _evaluate(inner, consts, inputs, inside)
  if any(replaced) and not all(replaced) and any(jaxprs_in_params(equation.params)):
    raise StepError(
      "step",
      f"its new carry and more come out of one {equation.primitive.name}, in which "
      "they can't be told apart",
      "compute the output behind it, from the new carry",
    )
  options = equation.primitive.get_bind_params(equation.params)
  with equation.ctx.manager:
    results = equation.primitive.bind(*inputs, **options)
  return results if equation.primitive.multiple_results else [results]
