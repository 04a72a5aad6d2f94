"""What the system says a process held in memory at most, while something ran.

The compiler's figure is a plan. This is the resident set: pages that were written.
"""

import ctypes
import gc
import pathlib
from collections.abc import Callable
from typing import Any

from benchmarks.libraries import Unsupported

STATUS = pathlib.Path("/proc/self/status")
RESET = pathlib.Path("/proc/self/clear_refs")


def growth(run: Callable[[], Any]) -> int:
  """Bytes that the resident set grew by at its highest, while `run` ran.

  Before it runs, memory that was freed goes back to the system (else pages that the
  compiler left behind would be used again, and not counted), and the high-water mark
  is set to what is resident (else a compiler that needed more would hide the run).
  What `run` returns counts as well.

  Raises:
    Unsupported: the system isn't Linux.
  """
  if not RESET.exists():
    raise Unsupported("the high-water mark of memory is read and reset as on Linux")
  gc.collect()
  trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
  if trim is not None:
    trim(0)
  RESET.write_text("5")
  before = _status("VmRSS")
  run()
  return _status("VmHWM") - before


def _status(name: str) -> int:
  for line in STATUS.read_text().splitlines():
    if line.startswith(f"{name}:"):
      return int(line.split()[1]) * 1024
  raise Unsupported(f"{STATUS} doesn't say {name}")
