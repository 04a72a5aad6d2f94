"""What a main sets before JAX is used for the first time."""

import ctypes
import os
import pathlib

import jax

# Of glibc's mallopt, see <malloc.h>.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
MOST = 2**31 - 1  # bytes, the largest that it takes

VECTOR_WIDTH = "xla_cpu_prefer_vector_width"
NARROW, WIDE = 256, 512  # bits; XLA's default, and what a program profits from


def set_up(cpu_devices: int = 0) -> None:
  """Makes one device of each CPU core, and keeps memory and compiled programs.

  Seeds, or the batch, are spread over CPU devices as they are over GPUs. Calling it
  after JAX has started is an error of JAX's own.

  Args:
    cpu_devices: devices that the CPU is split into; 0 is one a core.
  """
  jax.config.update("jax_num_cpu_devices", cpu_devices or os.cpu_count())
  suit_cpu()
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    cache = pathlib.Path("~/.cache/rnn_research/compiled").expanduser()
    jax.config.update("jax_compilation_cache_dir", str(cache))


def suit_cpu() -> None:
  """What XLA's and the C library's defaults leave unused; before JAX starts."""
  keep_freed_memory()
  use_wide_vectors()


def use_wide_vectors() -> None:
  """Has XLA compute with vectors of 512 bits where the CPU has them.

  Its default is 256, from a time when wider ones slowed the clock. Gates and slopes are
  a twentieth of a gradient's time faster; elsewhere it changes nothing. A width that
  stands in XLA_FLAGS already is kept.
  """
  given = os.environ.get("XLA_FLAGS", "")
  if VECTOR_WIDTH not in given:
    os.environ["XLA_FLAGS"] = f"{given} --{VECTOR_WIDTH}={WIDE}".strip()


def keep_freed_memory() -> None:
  """Has the C library keep what is freed, for the next call that needs as much.

  glibc hands large blocks back to the system, which then maps them anew, page by page,
  in every call of a program: a tenth of the time of a gradient with stacks of some
  MiB. The process stays as large as it once was. Elsewhere this does nothing.
  """
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (AttributeError, OSError, TypeError):
    return
  mallopt(MMAP_MAX, 0)
  mallopt(TRIM_THRESHOLD, MOST)
  mallopt(TOP_PAD, 64 << 20)


def forget_programs() -> None:
  """Frees all compiled code of this process; what is used again is loaded again."""
  jax.clear_caches()
