"""What compiling and lowering a program for accelerators tells."""

from typing import Any

import jax

from benchmarks import accelerators_hlo as hlo
from benchmarks.accelerators_programs import Subject
from benchmarks.accelerators_table import PLATFORMS

FAILURES = (jax.errors.JaxRuntimeError, NotImplementedError, ValueError)


def examine(subject: Subject) -> dict[str, Any]:
  """What compiling and lowering a program tells; a failure is told, too."""
  found: dict[str, Any] = {
    "name": subject.name,
    "mesh": subject.mesh,
    "steps": subject.steps,
    "examples": subject.examples,
    "lowers": {platform: _lower(subject, platform) for platform in PLATFORMS},
  }
  try:
    compiled = subject.function.lower(*subject.arguments).compile()
  except FAILURES as error:
    return found | {"failure": first_line(error)}
  return found | describe(compiled, subject)


def describe(compiled: jax.stages.Compiled, subject: Subject) -> dict[str, Any]:
  """Figures of a compiled program, of one device.

  Returns:
    flops: of all matrix products of one train step, and in and outside of the loops
      over time; `counted_once` and `cost_analysis` are those of the whole program.
      With one example on a device, the cost analysis alone.
    memory: bytes.
    collectives: instructions by place and kind.
    turns: of each loop over time.
  """
  program = hlo.loop_tree(hlo.parse(compiled.as_text()))
  flops = {"cost_analysis": compiled.cost_analysis()["flops"]}
  if subject.examples > 1:
    total, over_time = program.flops(), hlo.flops_over_time(program)
    flops |= {
      "step": total / subject.steps,
      "time_loops": over_time / subject.steps,
      "outside": (total - over_time) / subject.steps,
      "share_outside": (total - over_time) / total,
      "counted_once": program.flops_once(),
    }
  memory = compiled.memory_analysis()
  return {
    "flops": flops,
    "memory": {
      "arguments": memory.argument_size_in_bytes,
      "temporary": memory.temp_size_in_bytes,
      "peak": memory.peak_memory_in_bytes,
      "code": memory.generated_code_size_in_bytes,
    },
    "collectives": hlo.count_collectives(program),
    "turns": hlo.turns_over_time(program),
  }


def _lower(subject: Subject, platform: str) -> dict[str, Any]:
  """Size of the lowered module in bytes, or why there is none."""
  try:
    exported = jax.export.export(subject.function, platforms=[platform])
    return {"bytes": len(exported(*subject.arguments).mlir_module_serialized)}
  except FAILURES as error:
    return {"failure": first_line(error)}


def first_line(error: Exception) -> str:
  """What an error says, without the details below."""
  return str(error).partition("\n")[0]
