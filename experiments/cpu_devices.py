"""The flag that says into how many devices the CPU is split, of whichever main."""

from absl import flags

MOST = 256  # each has threads of its own

CPU_DEVICES = flags.DEFINE_integer(
  "cpu_devices",
  0,
  "Devices that the CPU is split into; 0 is one a core.",
  lower_bound=0,
  upper_bound=MOST,
)
