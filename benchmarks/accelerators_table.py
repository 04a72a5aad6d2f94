"""What compiling for accelerators told, as one table."""

from typing import Any

from benchmarks.accelerators_hlo import PLACES

PLATFORMS = ("cuda", "rocm", "tpu")
MEBI, KIBI, GIGA = 2**20, 2**10, 1e9


def table(record: dict[str, Any]) -> str:
  """One column a program, one row a figure."""
  programs = record["programs"]
  rows = [("", [program["name"] for program in programs])]
  for label, read in _ROWS:
    rows.append(
      (label, ["failed" if "failure" in p else str(read(p)) for p in programs])
    )
  for platform in PLATFORMS:
    cells = [_size(program["lowers"][platform]) for program in programs]
    rows.append((f"lowers for {platform}, KiB", cells))
  width = max(len(label) for label, _ in rows)
  lines = [
    f"For {record['device']}, {record['topology']}, {record['devices']} devices: "
    "compiled, not run. Figures of one device.",
    "train: the dispatch of experiments.train, by adjoint. The others: gradient of one "
    f"layer ({_layer(record)}), adjoint/projection.",
    *(
      f"{label:{width}}" + "".join(f"{cell:>16}" for cell in cells)
      for label, cells in rows
    ),
    *failures(programs),
  ]
  return "\n".join(lines)


def failures(programs: list[dict[str, Any]]) -> list[str]:
  """A line for each program that doesn't compile or lower, and why."""
  return [
    f"{program['name']}, {what}: {told['failure']}"
    for program in programs
    for what, told in [("compiling", program), *program["lowers"].items()]
    if "failure" in told
  ]


def _layer(record):
  return ", ".join(f"{name} {size}" for name, size in record["layer"].items())


def _giga(name):
  def read(program):
    flops = program["flops"]
    return f"{flops[name] / GIGA:.4g}" if name in flops else "-"

  return read


def _mebi(name):
  return lambda program: f"{program['memory'][name] / MEBI:.4g}"


def _count(place, kind):
  return lambda program: program["collectives"][place][kind]


def _share(program):
  flops = program["flops"]
  return f"{flops['share_outside']:.1%}" if "share_outside" in flops else "-"


def _mesh(program):
  return "x".join(str(size) for size in program["mesh"].values())


def _turns(program):
  return ",".join(str(turns) for turns in sorted(set(program["turns"])))


_ROWS = [
  ("mesh, seeds x batch", _mesh),
  ("examples of a batch on a device", lambda program: program["examples"]),
  ("turns of the loops over time", _turns),
  ("products of a step, GFLOP", _giga("step")),
  ("  in loops over time", _giga("time_loops")),
  ("  outside of them", _giga("outside")),
  ("  share outside", _share),
  ("program, bodies once, GFLOP: products", _giga("counted_once")),
  ("  the same: cost analysis", _giga("cost_analysis")),
  ("arguments, MiB", _mebi("arguments")),
  ("temporary, MiB", _mebi("temporary")),
  ("peak, MiB", _mebi("peak")),
  *(
    (f"{kind}s, {place}", _count(place, kind))
    for kind in ("all-reduce", "all-gather")
    for place in PLACES
  ),
]


def _size(lowered: dict[str, Any]) -> str:
  return "failed" if "failure" in lowered else f"{lowered['bytes'] / KIBI:.0f}"
