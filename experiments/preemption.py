"""How a batch system takes a machine back: SIGTERM, and some time to save.

A main asks between two steps whether it was told to leave, saves, and exits with
`PREEMPTED`; the same command goes on from there.
"""

import signal
from collections.abc import Callable

PREEMPTED = 75  # EX_TEMPFAIL of <sysexits.h>: to be tried again


def watch() -> Callable[[], bool]:
  """Whether this process has been told to leave, from now on."""
  told = []
  signal.signal(signal.SIGTERM, lambda *_: told.append(True))
  return lambda: bool(told)
