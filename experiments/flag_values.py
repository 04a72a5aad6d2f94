"""What values of flags have to be, said in one line before anything else is done."""

from collections.abc import Callable
from typing import Any

from absl import flags


def numbers(name: str, kind: Callable[[str], Any], least: int = 0) -> None:
  """A list flag holds numbers, at least so many.

  Args:
    name: of the flag.
    kind: `int` or `float`, which reads each.
    least: 1 where an empty list means nothing.
  """

  def check(values):
    if len(values) < least:
      raise flags.ValidationError("it is empty")
    for value in values:
      try:
        kind(value)
      except ValueError:
        raise flags.ValidationError(f"{value!r} is no {kind.__name__}") from None
    return True

  flags.register_validator(name, check)


def some(name: str) -> None:
  """A list, a text or a path is given or left out, and never empty."""
  flags.register_validator(
    name, lambda value: value is None or len(value) > 0, message="it is empty"
  )
