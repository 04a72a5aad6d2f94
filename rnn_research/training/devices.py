"""What a main sets before JAX is used for the first time."""

import os
import pathlib

import jax


def set_up(cpu_devices: int = 0) -> None:
  """Makes one device of each CPU core, and keeps compiled programs on disk.

  Seeds, or the batch, are spread over CPU devices as they are over GPUs. Calling it
  after JAX has started is an error of JAX's own.

  Args:
    cpu_devices: devices that the CPU is split into; 0 is one a core.
  """
  jax.config.update("jax_num_cpu_devices", cpu_devices or os.cpu_count())
  if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    cache = pathlib.Path("~/.cache/rnn_research/compiled").expanduser()
    jax.config.update("jax_compilation_cache_dir", str(cache))
