"""The flag that names the folder of a study, of whichever main."""

from absl import flags

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.", required=True)
