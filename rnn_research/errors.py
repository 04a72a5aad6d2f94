"""Errors that a user can mend: each names the field, the problem and the remedy."""


class UserError(Exception):
  """Bad input, said in one line; the mains print it and exit with code 2.

  Args:
    field: what the user set, spelled as they set it (`task.length`).
    problem: what is wrong with it, with the value seen.
    remedy: what to do instead.
  """

  def __init__(self, field: str, problem: str, remedy: str):
    super().__init__(f"{field}: {problem}; {remedy}")
    self.field, self.problem, self.remedy = field, problem, remedy


class ConfigError(UserError):
  """A field of the config has a value that can't be run."""


class DataNotPrepared(UserError):
  """A data set is unknown, or known and not yet written to disk."""


class WorkdirError(UserError):
  """A run directory can't be written, or belongs to another run."""


class CheckpointMismatch(UserError):
  """A checkpoint doesn't fit the program that wants to go on from it."""


class StepError(UserError):
  """A step, carry or loss of one's own that a diagnostic can't take apart."""
