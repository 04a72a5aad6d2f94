"""Our side of a comparison: the case's network, from the source's own weights."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_research.unroll import unroll
from tests.oracles.cases import part, suffix


def network(case, weights, xs, carry, lengths):
  """(outputs, last carry) of a stack; carries are (layers * directions, ...)."""
  last = []
  for layer in range(case.layers):
    outputs = []
    for direction in range(case.directions):
      ending = suffix(layer, direction)
      own = {
        key.removesuffix(ending): value
        for key, value in weights.items()
        if key.endswith(ending)
      }
      row = layer * case.directions + direction
      params = case.weight_map(own)
      first = case.cell.project(params["input"], xs[0])
      kind = type(case.cell.initial_carry(params, first))
      final, ys = unroll(
        case.cell,
        params,
        xs,
        lengths=lengths,
        initial_carry=kind(**{leaf: value[row] for leaf, value in carry.items()}),
        reverse=bool(direction),
      )
      last.append(final._asdict())
      outputs.append(ys)
    xs = jnp.concatenate(outputs, axis=-1)
  return xs, jax.tree.map(lambda *leaves: jnp.stack(leaves), *last)


def computed(case, arrays):
  """Outputs, last carry and all gradients, under the names that are stored."""
  cotangents = part(arrays, "cotangents")
  lengths = jnp.asarray(arrays["lengths"])

  def value(weights, xs, carry):
    outputs, last = network(case, weights, xs, carry, lengths)
    total = (outputs * cotangents["outputs"]).sum()
    total += sum((last[leaf] * cotangents[leaf]).sum() for leaf in last)
    return total, (outputs, last)

  (weights, xs, carry), (outputs, last) = jax.jit(
    jax.grad(value, (0, 1, 2), has_aux=True)
  )(
    jax.tree.map(jnp.asarray, part(arrays, "weights")),
    jnp.asarray(arrays["xs"]),
    jax.tree.map(jnp.asarray, part(arrays, "carry")),
  )
  found = {"outputs": outputs, "gradients/xs": xs}
  found |= {f"last/{leaf}": value for leaf, value in last.items()}
  found |= {f"gradients/weights/{key}": value for key, value in weights.items()}
  found |= {f"gradients/carry/{leaf}": value for leaf, value in carry.items()}
  return {key: np.asarray(value) for key, value in found.items()}


def differences(found, arrays):
  """Largest absolute difference of every computed array from the stored one."""
  return {key: np.abs(found[key] - arrays[key]).max() for key in found}
