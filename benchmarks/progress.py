"""How long a benchmark still takes."""


def time_left(elapsed: float, done: float, rest: float) -> str:
  """In words, if the rest goes at the pace of what is done.

  Args:
    elapsed: seconds so far.
    done: what they were spent on, in any unit of work.
    rest: what remains, in the same unit.
  """
  seconds = elapsed * rest / done
  return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
