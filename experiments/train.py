"""One run: S seeds of one model on one task or data set.

  python -m experiments.train --config=configs/temporal_order.py --workdir=runs/first

Exit codes: 0 finished (a diverged seed is a result), 2 bad input, 75 preempted by
SIGTERM after saving; the same command goes on from there.
"""

from absl import flags, logging

from experiments import flag_values
from experiments.cpu_devices import CPU_DEVICES
from experiments.preemption import PREEMPTED, watch
from rnn_research import command
from rnn_research.training.devices import set_up
from rnn_research.training.start import RESUME, start

_CONFIG = command.define_config()
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
flag_values.some("workdir")
_RESUME = flags.DEFINE_enum(
  "resume",
  "auto",
  RESUME,
  "auto: go on with what the folder holds; never: it must be new; must: it must not.",
)


def main(_):
  """Trains, and says where the records are."""
  set_up(CPU_DEVICES.value)
  stopping = watch()
  run = start(_CONFIG.value, _WORKDIR.value, _RESUME.value)
  status = run.train(stop=stopping)
  if status["state"] == "interrupted":
    logging.info("stopped at step %d; the same command goes on", status["step"])
    return PREEMPTED
  final = status["final"]
  for seed, error in zip(status["seeds"], final["error"], strict=True):
    fate = (
      f"error {error:.2%}"
      if seed["diverged_at"] is None
      else f"diverged at step {seed['diverged_at']}"
    )
    logging.info("seed %d: %s", seed["seed"], fate)
  logging.info("records: %s", _WORKDIR.value)
  return 0


if __name__ == "__main__":
  command.run(main)
