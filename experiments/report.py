"""Write the page of a study, or of one run, from its records.

  python -m experiments.report --study=DIR

writes DIR/report.html and DIR/figures/ in a few seconds; nothing is trained.
"""

from collections.abc import Sequence

from absl import flags

from experiments import flag_values
from rnn_research import command, report

_STUDY = flags.DEFINE_string(
  "study", None, "Directory of a study (protocol.json) or of one run."
)
flags.mark_flag_as_required("study")
flag_values.some("study")


def main(argv: Sequence[str]) -> None:
  """Write the page and say where it is."""
  del argv
  print(report.write(_STUDY.value))


if __name__ == "__main__":
  command.run(main)
