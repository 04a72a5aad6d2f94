"""Prepares a data set: `python -m rnn_research.data.prepare --dataset=digits`.

Without the network and in a few seconds; a second call finds the work done.
"""

from collections.abc import Sequence

from absl import flags

from rnn_research import command
from rnn_research.data.location import data_folder
from rnn_research.data.preparation import prepare

_DATASET = flags.DEFINE_string("dataset", "", "Name of the data set.")
_DATA_DIR = flags.DEFINE_string(
  "data_dir",
  "",
  "Folder of prepared data sets; default $RNN_RESEARCH_DATA, else"
  " ~/.cache/rnn_research.",
)


def main(argv: Sequence[str]) -> None:
  """Prepares the data set that the flags name."""
  del argv
  prepare(_DATASET.value, data_folder(_DATA_DIR.value))


if __name__ == "__main__":
  command.run(main)
