"""Processes of this project's benchmarks: modules that answer commands, on CPU."""

import sys

from benchmarks.interleave import Worker


def start(module: str, devices: int, *arguments: str) -> Worker:
  """A worker on CPU that keeps no compiled program of another run.

  Args:
    module: run as a main, in `benchmarks`.
    devices: CPU devices of its JAX.
    arguments: further flags.
  """
  return Worker(
    [sys.executable, "-m", f"benchmarks.{module}", *arguments],
    {
      "JAX_PLATFORMS": "cpu",
      "JAX_NUM_CPU_DEVICES": str(devices),
      "JAX_ENABLE_COMPILATION_CACHE": "false",
    },
  )
