"""A strict JAX for every test: no silent broadcasting, no silent promotion."""

import contextlib
import os
import pathlib

import jax
import pytest
from absl import flags

_CACHE = pathlib.Path(
  os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
)

# Two devices, so that the sharded paths run on any machine. Set before anything
# asks for a device; the package itself never sets it.
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Compiling is most of the time of a test. The cache belongs to this user on
# this machine; a run without it is slower and otherwise the same.
jax.config.update(
  "jax_compilation_cache_dir", str(_CACHE / "rnn_research" / "compiled")
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# Grain reads absl flags even where there is no command line.
flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope="module", autouse=True)
def forgets_programs():
  """Frees compiled code: a process can map only so many pieces of it."""
  yield
  jax.clear_caches()


@pytest.fixture
def float64():
  """Runs one test in double precision, where rounding hides no wrong law."""
  with jax.enable_x64(True):
    yield


@pytest.fixture
def key():
  """A typed random key; tests that need several split it."""
  return jax.random.key(0)


@contextlib.contextmanager
def _quick_compilation():
  jax.config.update("jax_disable_most_optimizations", True)
  yield
  jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def quickly():
  """Compiles in half the time; what is computed is the same up to rounding."""
  with _quick_compilation():
    yield


@pytest.fixture(scope="module")
def quick_module():
  """The same for a whole module and its fixtures: all it compares is compiled alike."""
  with _quick_compilation():
    yield
