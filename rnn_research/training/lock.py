"""One process at a time trains in a folder."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from rnn_research.errors import WorkdirError


@contextlib.contextmanager
def alone(folder: pathlib.Path) -> Iterator[None]:
  """Holds a lock that the system gives back even if the process is killed.

  Raises:
    WorkdirError: another process holds it.
  """
  with (folder / ".lock").open("w") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise WorkdirError(
        "--workdir",
        f"another process is training in {folder}",
        "wait for its end, or choose another folder",
      ) from error
    except OSError:
      pass  # a file system without locks: then nobody can tell
    yield
