"""Whether training compiles for accelerators, and what of it needs no loop over time.

  python -m benchmarks.accelerators --config=configs/temporal_order.py \
    --config.model.cell=lstm --topology=v5e:2x2 --output=accelerators.json

Needs `pip install -e '.[accelerators]'` and no accelerator. The very program that
`experiments.train` dispatches for this config, on the mesh it would make, is compiled
for a TPU topology by the compiler in the `libtpu` wheel, and lowered for CUDA, ROCm
and TPU by `jax.export`. Nothing is run and nothing timed: the claim is "compiles for".

Beside it stand the same program with the scan differentiated by JAX
(`model.adjoint=autodiff`), and the bare gradient of one layer with either adjoint,
its inputs projected in each step or all before the scan; --layer sets its sizes.

All figures are those of one device. XLA's cost analysis counts the body of a loop
once, whatever its turns. The share of time-parallel work is therefore read from the
compiled program's text: the operations of each matrix product (dots, and on TPU
convolutions), times the turns of all loops it stands in. A loop over time is one
that multiplies and holds no other loop that does; "outside" is all the rest. Work
that is not a matrix product is left out. Two figures check the reading: the products
with every body counted once lie just below the cost analysis, which counts
elementwise work too; and both adjoints need the same products in all, but for those
of the first step, which the compiler may drop where its carry is known to be zero,
and for the gradient of a bias, a sum that may be formed as a product with ones.
With one example on a device (some of `:tiny`) the compiler makes multiplications and
sums of the products, and there is nothing to read: give each device two or more.

Memory is as the compiler states it. Temporaries that stay on the chip are not part
of "temporary", which is 0 where all of them do; "peak" is the compiler's own estimate
and can be below it.

Exit codes: 0 all compiled and lowered, 1 something did not, 2 bad input.
"""

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys
from typing import Any

import jax
from absl import flags
from jax.experimental import topologies

from benchmarks.accelerators_figures import examine, first_line
from benchmarks.accelerators_programs import Sizes, sizes_of, subjects
from benchmarks.accelerators_table import failures, table
from rnn_research import command
from rnn_research.errors import UserError

_CONFIG = command.define_config()
_TOPOLOGY = flags.DEFINE_string("topology", "v5e:2x2", "TPU generation and layout.")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write.", required=True)
_LAYER = flags.DEFINE_list(
  "layer",
  None,
  "batch,time,features,hidden of the bare gradient; those of the config if not given.",
)


def main(_) -> int:
  """Compiles, lowers, prints the table and writes the records."""
  output = pathlib.Path(_OUTPUT.value)
  if not output.parent.is_dir():
    raise UserError("--output", f"no folder {str(output.parent)!r}", "make it first")
  if output.is_dir():
    raise UserError("--output", f"{str(output)!r} is a folder", "name a file in it")
  sizes = _sizes(_LAYER.value)
  devices = tpu_devices(_TOPOLOGY.value)
  config = _CONFIG.value
  programs = [examine(subject) for subject in subjects(config, sizes, devices)]
  record = {
    "topology": _TOPOLOGY.value,
    "device": devices[0].device_kind,
    "devices": len(devices),
    "versions": {p: importlib.metadata.version(p) for p in ("jax", "jaxlib", "libtpu")},
    "config": dataclasses.asdict(config),
    "layer": (sizes or sizes_of(config))._asdict(),
    "programs": programs,
  }
  output.write_text(json.dumps(record, indent=1) + "\n")
  print(table(record))
  return int(bool(failures(programs)))


def tpu_devices(topology: str) -> list[Any]:
  """The devices of a topology, to compile for.

  Raises:
    UserError: the TPU compiler isn't installed, or doesn't know the topology.
  """
  if importlib.util.find_spec("libtpu") is None:
    raise UserError("libtpu", "not installed", "pip install -e '.[accelerators]'")
  # Else the compiler asks the network which machine it is on.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  jax.config.update("jax_platforms", "cpu")
  try:
    with _quiet():
      return list(topologies.get_topology_desc(topology, "tpu").devices)
  except jax.errors.JaxRuntimeError as error:
    raise UserError("--topology", first_line(error), "try v5e:2x2") from error


@contextlib.contextmanager
def _quiet():
  """Drops what the compiler writes to stderr about being on no TPU machine."""
  sys.stderr.flush()
  kept = os.dup(2)
  try:
    with open(os.devnull, "w") as nowhere:
      os.dup2(nowhere.fileno(), 2)
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)


def _sizes(given: list[str] | None) -> Sizes | None:
  if given is None:
    return None
  try:
    sizes = [int(size) for size in given]
  except ValueError:
    sizes = []
  if len(sizes) != len(Sizes._fields) or min(sizes) < 1:
    raise UserError(
      "--layer", f"{','.join(given)!r} is not four sizes", "write 512,64,128,512"
    )
  return Sizes(*sizes)


if __name__ == "__main__":
  command.run(main)
