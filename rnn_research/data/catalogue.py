"""The known data sets, and how a config becomes one of them."""

import pathlib
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_research.config import DataConfig
from rnn_research.data import digits
from rnn_research.data.dataset import Dataset
from rnn_research.data.location import data_folder
from rnn_research.errors import ConfigError, DataNotPrepared


class Entry(NamedTuple):
  """What is known of a data set without having read it.

  Attributes:
    forms: the forms it can take; the first is its own.
    builder: makes the tensorflow-datasets builder for a folder.
    read: reads what a builder has written, in one of the forms.
  """

  forms: tuple[str, ...]
  builder: Callable[[str], Any]
  read: Callable[[Any, str], Dataset]


DATASETS: dict[str, Entry] = {
  "digits": Entry(digits.FORMS, digits.make_builder, digits.read),
}


def find(name: str, field: str) -> Entry:
  """Looks a data set up; `field` is what the user set, for the error."""
  if name not in DATASETS:
    known = ", ".join(DATASETS)
    raise DataNotPrepared(field, f"no data set {name!r}", f"known: {known}")
  return DATASETS[name]


def is_prepared(builder: Any) -> bool:
  """Whether a builder's data are there: the folder appears whole or not at all.

  The builder's own method also writes a warning, and an error is one line.
  """
  return (pathlib.Path(builder.data_dir) / "dataset_info.json").exists()


def load(config: DataConfig) -> Dataset:
  """Reads a prepared data set into memory; never writes, never downloads.

  Raises:
    DataNotPrepared: the name is unknown, or nothing is prepared in the folder.
    ConfigError: the data set has no such form.
  """
  entry = find(config.name, "data.name")
  form = config.form or entry.forms[0]
  if form not in entry.forms:
    raise ConfigError(
      "data.form",
      f"{config.name} has no form {form!r}",
      f"known: {', '.join(entry.forms)}",
    )
  folder = data_folder(config.source)
  builder = entry.builder(str(folder))
  if not is_prepared(builder):
    command = f"python -m rnn_research.data.prepare --dataset={config.name}"
    if config.source:
      command += f" --data_dir={shlex.quote(config.source)}"
    raise DataNotPrepared(
      "data.name",
      f"{config.name} is not prepared in {folder}",
      f"run {command}",
    )
  return entry.read(builder, form)
