"""Computes the stored arrays anew with the other libraries, and compares.

python -m tests.oracles.make
"""

import jax
import numpy as np
import torch

from tests.oracles import keras_layers, torch_equations, torch_modules
from tests.oracles.cases import ARRAYS, CASES, draw, part
from tests.oracles.ours import computed, differences

SOURCES = {
  "modules": torch_modules,
  "equations": torch_equations,
  "keras": keras_layers,
}
TOLERANCE = 1e-10


def theirs(case, arrays):
  """Outputs, last carry and all gradients by the case's source."""

  def tracked(tree):
    return {key: torch.tensor(value, requires_grad=True) for key, value in tree.items()}

  weights, carry = tracked(part(arrays, "weights")), tracked(part(arrays, "carry"))
  xs = torch.tensor(arrays["xs"], requires_grad=True)
  lengths = torch.tensor(arrays["lengths"])
  outputs, last = SOURCES[case.source].run(case, weights, xs, carry, lengths)
  cotangents = {
    key: torch.tensor(value) for key, value in part(arrays, "cotangents").items()
  }
  total = (outputs * cotangents["outputs"]).sum()
  total = total + sum((last[leaf] * cotangents[leaf]).sum() for leaf in last)
  total.backward()
  found = {"outputs": outputs, "gradients/xs": xs.grad}
  found |= {f"last/{leaf}": value for leaf, value in last.items()}
  found |= {f"gradients/weights/{key}": value.grad for key, value in weights.items()}
  found |= {f"gradients/carry/{leaf}": value.grad for leaf, value in carry.items()}
  return {key: value.detach().numpy() for key, value in found.items()}


def main():
  """Writes every case, and fails if ours differs from what was just computed."""
  jax.config.update("jax_enable_x64", True)
  ARRAYS.mkdir(exist_ok=True)
  failed = []
  for name, case in CASES.items():
    arrays = draw(name)
    arrays |= theirs(case, arrays)
    path = ARRAYS / f"{name}.npz"
    moved = "new"
    if path.exists():
      before = np.load(path)
      same = set(before.files) == set(arrays)
      moved = (
        f"{max(np.abs(before[key] - arrays[key]).max() for key in arrays):.0e}"
        if same and all(before[key].shape == arrays[key].shape for key in arrays)
        else "other arrays"
      )
    ours = max(differences(computed(case, arrays), arrays).values())
    print(f"{name:24s} ours {ours:.0e}  stored before {moved}")
    if not ours <= TOLERANCE:
      failed.append(name)
    np.savez_compressed(path, **arrays)
  if failed:
    raise SystemExit(f"error: ours differs by more than {TOLERANCE}: {failed}")


if __name__ == "__main__":
  main()
