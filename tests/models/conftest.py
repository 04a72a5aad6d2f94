"""What all tests of models run with."""

import jax
import pytest


@pytest.fixture
def quick_compilation():
  """Programs here run once; optimising them is most of their time."""
  jax.config.update("jax_disable_most_optimizations", True)
  yield
  jax.config.update("jax_disable_most_optimizations", False)
