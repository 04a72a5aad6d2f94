"""One process at a time, among all that see a folder."""

import contextlib
import fcntl
import pathlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def alone(path: pathlib.Path, taken: Callable[[], None]) -> Iterator[None]:
  """Holds a lock that the system gives back even if the process is killed.

  Args:
    path: of the file that stands for it; made if it isn't there, and left.
    taken: called if another process holds it. If it returns, that is waited for.
  """
  with path.open("w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      taken()
      fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
      pass  # a file system without locks: then nobody can tell
    yield
