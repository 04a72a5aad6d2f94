"""When two trees of arrays count as equal."""

import jax
import numpy as np


def distance(got, wanted):
  """Largest difference of a leaf over the leaf's largest entry, over all leaves."""
  worst = 0.0
  pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
  for g, w in pairs:
    g, w = np.asarray(g, np.float64), np.asarray(w, np.float64)
    assert g.shape == w.shape
    assert np.isfinite(g).all() and np.isfinite(w).all()
    if g.size:
      largest = np.abs(w).max()
      difference = np.abs(g - w).max()
      worst = max(worst, difference / largest if largest else difference)
  return worst


def assert_close(got, wanted, tolerance, what=""):
  """Fails where `distance` is above the tolerance, or where anything isn't finite."""
  found = distance(got, wanted)
  assert found <= tolerance, f"{what}: {found:.2e} > {tolerance:.0e}"


def assert_same(got, wanted, what=""):
  """Fails unless every bit agrees."""
  pairs = zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True)
  for g, w in pairs:
    np.testing.assert_array_equal(np.asarray(g), np.asarray(w), err_msg=what)
