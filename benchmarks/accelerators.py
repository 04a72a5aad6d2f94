"""Whether training compiles for accelerators, and what of it needs no loop over time.

  python -m benchmarks.accelerators --config=configs/temporal_order.py:tiny \
    --config.model.cell=lstm --topology=v5e:2x2 --output=accelerators.json

Needs `pip install -e '.[tpu_check]'` and no accelerator. The very program that
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
of the first step, which the compiler may drop where its carry is known to be zero.

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

from benchmarks import accelerators_hlo as hlo
from benchmarks.accelerators_programs import Sizes, Subject, sizes_of, subjects
from benchmarks.accelerators_table import PLATFORMS, failures, table
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

FAILURES = (jax.errors.JaxRuntimeError, NotImplementedError, ValueError)


def main(_) -> int:
  """Compiles, lowers, prints the table and writes the records."""
  output = pathlib.Path(_OUTPUT.value)
  if not output.parent.is_dir():
    raise UserError("--output", f"no folder {str(output.parent)!r}", "make it first")
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
    raise UserError("libtpu", "not installed", "pip install -e '.[tpu_check]'")
  # Else the compiler asks the network which machine it is on.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  jax.config.update("jax_platforms", "cpu")
  try:
    with _quiet():
      return list(topologies.get_topology_desc(topology, "tpu").devices)
  except jax.errors.JaxRuntimeError as error:
    raise UserError("--topology", _first_line(error), "try v5e:2x2") from error


def examine(subject: Subject) -> dict[str, Any]:
  """What compiling and lowering a program tells; a failure is told, too."""
  found: dict[str, Any] = {
    "name": subject.name,
    "mesh": subject.mesh,
    "steps": subject.steps,
    "lowers": {platform: _lower(subject, platform) for platform in PLATFORMS},
  }
  try:
    compiled = subject.function.lower(*subject.arguments).compile()
  except FAILURES as error:
    return found | {"failure": _first_line(error)}
  return found | describe(compiled, subject.steps)


def describe(compiled: jax.stages.Compiled, steps: int) -> dict[str, Any]:
  """Figures of a compiled program, of one device.

  Returns:
    flops: of all matrix products of one train step, and in and outside of the loops
      over time; `counted_once` and `cost_analysis` are those of the whole program.
    memory: bytes.
    collectives: instructions by place and kind.
    turns: of each loop over time.
  """
  program = hlo.loop_tree(hlo.parse(compiled.as_text()))
  total, over_time = program.flops(), hlo.flops_over_time(program)
  memory = compiled.memory_analysis()
  return {
    "flops": {
      "step": total / steps,
      "time_loops": over_time / steps,
      "outside": (total - over_time) / steps,
      "share_outside": (total - over_time) / total,
      "counted_once": program.flops_once(),
      "cost_analysis": compiled.cost_analysis()["flops"],
    },
    "memory": {
      "arguments": memory.argument_size_in_bytes,
      "temporary": memory.temp_size_in_bytes,
      "peak": memory.peak_memory_in_bytes,
      "code": memory.generated_code_size_in_bytes,
    },
    "collectives": hlo.count_collectives(program),
    "turns": hlo.turns_over_time(program),
  }


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


def _lower(subject: Subject, platform: str) -> dict[str, Any]:
  """Size of the lowered module in bytes, or why there is none."""
  try:
    exported = jax.export.export(subject.function, platforms=[platform])
    return {"bytes": len(exported(*subject.arguments).mlir_module_serialized)}
  except FAILURES as error:
    return {"failure": _first_line(error)}


def _first_line(error: Exception) -> str:
  return str(error).partition("\n")[0]


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
