"""The flag that names the folder of a study, of whichever main."""

from absl import flags

from experiments import flag_values

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the study.", required=True)
flag_values.some("workdir")
