"""The one entry of every main: flags in, exit code out, errors in one line.

if __name__ == "__main__":
  command.run(main)
"""

import logging as python_logging
import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NoReturn

from absl import app, flags, logging

from rnn_research import config_flags
from rnn_research.config_flags import define_config
from rnn_research.errors import UserError

__all__ = ["define_config", "run"]

USER_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def run(main: Callable[[Sequence[str]], int | None]) -> NoReturn:
  """Parses the flags, calls `main` and exits with the code that it returns.

  Exit codes: 0 for `None`, 2 for what the user can mend (`UserError`, a flag
  that doesn't parse, a config that doesn't load), 130 for an interrupt. Both of
  the latter say one line on stderr. Any other exception is a bug and keeps its
  traceback.

  Args:
    main: takes the program name in a list, as with `app.run`; arguments that
      are not flags are an error, since they are flags with a typo.
  """
  try:
    app.run(main, flags_parser=_parse)
  except UserError as error:
    _exit(f"error: {error}", USER_ERROR)
  except KeyboardInterrupt:
    _exit("interrupted", INTERRUPTED)


def _parse(argv: Sequence[str]) -> list[str]:
  """Parses absl flags; raises UserError where absl would print its usage."""
  try:
    arguments = flags.FLAGS(argv)
  except flags.Error as error:
    raise _explain(error) from error
  except SystemExit:
    # Help was asked for and given; absl calls that a failure.
    sys.exit(0)
  if arguments[1:]:
    raise UserError(arguments[1], "not a flag", "write --name=value, without spaces")
  if "config.seed" in flags.FLAGS:  # a main may call another kind of file by --config
    config_flags.finish(flags.FLAGS)
  _log_plainly()
  return arguments


def _explain(error: flags.Error) -> UserError:
  """Field, problem and remedy of what absl says in one string."""
  if isinstance(error, flags.UnrecognizedFlagError):
    near = get_close_matches(error.flagname, list(flags.FLAGS), n=1)
    return UserError(
      f"--{error.flagname}",
      "unknown flag",
      f"did you mean --{near[0]}?" if near else "--help lists the flags",
    )
  found = re.fullmatch(r"(?s)flag (--[^=]+)=(.*?): (.*)", str(error))
  if found:
    field, value, problem = found.groups()
    return UserError(field, f"{value!r} can't be read: {problem}", "see --help")
  return UserError("flags", str(error), "--help lists the flags")


def _exit(line: str, code: int) -> NoReturn:
  print(" ".join(line.split()), file=sys.stderr)
  sys.exit(code)


class _PlainFormatter(python_logging.Formatter):
  """Messages alone; what is worse than information says so."""

  def format(self, record):
    message = super().format(record)
    if record.levelno < python_logging.WARNING:
      return message
    return f"{record.levelname.lower()}: {message}"


def _is_ours(record: python_logging.LogRecord) -> bool:
  """Whether to print a record: libraries have a say from warnings on."""
  main = pathlib.Path(sys.argv[0]).resolve().parent
  package = pathlib.Path(__file__).resolve().parent
  parents = pathlib.Path(record.pathname).resolve().parents
  worse = record.levelno >= python_logging.WARNING
  return worse or main in parents or package in parents


def _log_plainly() -> None:
  """Sends absl's log to stderr without its prefix."""
  handler = logging.get_absl_handler()
  handler.setFormatter(_PlainFormatter())
  handler.addFilter(_is_ours)
