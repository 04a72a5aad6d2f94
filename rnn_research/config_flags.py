"""A `Config` from the command line: a file, and flags for its single fields.

`--config=configs/x.py:tiny --config.model.hidden=64` loads the file, calls its
`get_config("tiny")` and sets fields on top, in any order. Every field of
`Config` is a flag from the start: absl knows a misspelled one and names the
nearest, and `--help` lists them all. The spelling is that of ml_collections,
which keeps quiet about a missing file until the value is read, answers an
unknown field with a KeyError, and can't set a field back to None.
"""

import ast
import dataclasses
import pathlib
import runpy
import traceback
import types
import typing
from collections.abc import Iterator

from absl import flags

from rnn_research.config import Config
from rnn_research.errors import ConfigError, UserError

# The flags belong to the main that asks for them: there `--help` lists them.
flags.disclaim_key_flags()


class _ConfigFlag(flags.Flag):
  """`--config`, and whether a main can do without it."""

  needed = True


def define_config(needed: bool = True) -> flags.FlagHolder[Config]:
  """Defines `--config` and one `--config.<field>` for each field of `Config`.

  The mains go through `command.run`, which parses and then calls `finish`;
  past it `.value` is the `Config`, or None where it isn't `needed`.
  """
  for path, kind, default in fields(Config()):
    parser = _PARSERS[_plain(kind)]
    flag = flags.Flag(
      _OrNone(parser) if _plain(kind) is not kind else parser,
      flags.ArgumentSerializer(),
      f"config.{path}",
      None,
      f"{default!r} unless the config file sets it",
      boolean=_plain(kind) is bool,
    )
    flags.DEFINE_flag(flag)
  flag = _ConfigFlag(
    _FileParser(),
    None,
    "config",
    None,
    "a config file, and what its get_config is called with: path:variant",
  )
  flag.needed = needed
  return flags.DEFINE_flag(flag)


def finish(values: flags.FlagValues) -> None:
  """Writes the flags of single fields into the config that the file gave.

  Raises:
    ConfigError: no `--config` was given, though it is needed or single fields were.
  """
  config = values["config"].value
  if config is None:
    single = any(values[f"config.{path}"].present for path, *_ in fields(Config()))
    if not (values["config"].needed or single):
      return
    raise ConfigError("--config", "not given", "add --config=configs/<name>.py")
  for path, *_ in fields(Config()):
    flag = values[f"config.{path}"]
    if flag.present:
      holder = config
      *parents, name = path.split(".")
      for parent in parents:
        holder = getattr(holder, parent)
      if not dataclasses.is_dataclass(holder):
        raise ConfigError(
          f"config.{path}",
          f"the file sets {'.'.join(parents)} to {holder!r}",
          "correct the file: each section has a class of its own",
        )
      setattr(holder, name, flag.value)


def load(argument: str) -> Config:
  """The config of `path` or `path:variant`.

  Raises:
    ConfigError: there is no such file, it fails, or it gives something else.
  """
  config, _ = call(argument, "get_config")
  if not isinstance(config, Config):
    raise ConfigError(
      "--config",
      f"get_config of {argument.partition(':')[0]} returned {type(config).__name__}",
      "return a rnn_research.config.Config",
    )
  return config


def call(argument: str, function: str) -> tuple[typing.Any, dict[str, typing.Any]]:
  """What a function of the file `path` returns for `path` or `path:variant`.

  Returns:
    The result, and all names of the file.

  Raises:
    ConfigError: there is no such file, or it fails.
  """
  path, colon, variant = argument.partition(":")
  if not pathlib.Path(path).is_file():
    raise ConfigError(
      "--config",
      f"there is no file {path!r} in {pathlib.Path.cwd()}",
      "give the path of a config file, such as configs/<name>.py",
    )
  try:
    names = runpy.run_path(path)
    return names[function](*[variant] * bool(colon)), names
  except UserError:
    raise
  except (Exception, SystemExit) as error:
    raise ConfigError(
      "--config", _place(path, error), "correct the config file"
    ) from error


def fields(
  holder: typing.Any, prefix: str = ""
) -> Iterator[tuple[str, typing.Any, typing.Any]]:
  """Path, annotation and value of every field, depth first."""
  for field in dataclasses.fields(holder):
    value = getattr(holder, field.name)
    if dataclasses.is_dataclass(field.type):
      yield from fields(value, f"{prefix}{field.name}.")
    else:
      yield f"{prefix}{field.name}", field.type, value


def _place(path: str, error: Exception) -> str:
  """Where in the config file an exception came from, and what it says."""
  frames = traceback.extract_tb(error.__traceback__)
  lines = [frame.lineno for frame in frames if frame.filename == path]
  if isinstance(error, SyntaxError):
    lines = [error.lineno]
  where = f"{path}, line {lines[-1]}" if lines else path
  return f"{where}: {type(error).__name__}: {error}"


def _plain(kind: typing.Any) -> type:
  """The type of a field without its None and its parameters."""
  if isinstance(kind, types.UnionType):
    (kind,) = (k for k in typing.get_args(kind) if k is not types.NoneType)
  return typing.get_origin(kind) or kind


class _FileParser(flags.ArgumentParser):
  """`path:variant`; loads at once, so that no error waits for the value."""

  def parse(self, argument):
    return load(argument)


class _OrNone(flags.ArgumentParser):
  """What another parser reads, and `none`."""

  def __init__(self, parser: flags.ArgumentParser):
    super().__init__()
    self._parser = parser

  def parse(self, argument):
    if isinstance(argument, str) and argument.lower() == "none":
      return None
    return self._parser.parse(argument)


class _TupleParser(flags.ArgumentParser):
  """`a,b` or `("a", "b")`; empty is the empty tuple."""

  def parse(self, argument):
    if argument.startswith(("(", "[")):
      try:
        value = ast.literal_eval(argument)
        return (value,) if isinstance(value, str) else tuple(value)
      except (SyntaxError, ValueError, TypeError) as error:
        raise ValueError('not a tuple such as \'("a", "b")\'') from error
    return tuple(part.strip() for part in argument.split(",") if part.strip())


_PARSERS = {
  bool: flags.BooleanParser(),
  int: flags.IntegerParser(),
  float: flags.FloatParser(),
  str: flags.ArgumentParser(),
  tuple: _TupleParser(),
}
