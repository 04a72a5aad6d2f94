"""What the numbers were measured with."""

import datetime
import os
import pathlib
import platform
from typing import Any


def which_cores() -> list[int]:
  """Numbers of the cores that this process may use."""
  return sorted(os.sched_getaffinity(0))


def cores() -> int:
  """How many they are."""
  return len(which_cores())


def describe() -> dict[str, Any]:
  """Machine, Python and date; versions of libraries come from their workers."""
  return {
    "cpu": _cpu(),
    "cores": cores(),
    "memory_gib": round(
      os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
    ),
    "load_before": os.getloadavg()[0],
    "system": platform.platform(),
    "python": platform.python_version(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }


def _cpu() -> str:
  information = pathlib.Path("/proc/cpuinfo")
  if information.is_file():
    for line in information.read_text().splitlines():
      if line.startswith("model name"):
        return line.partition(":")[2].strip()
  return platform.processor()
