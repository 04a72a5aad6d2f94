"""A compiled program as loops: what is multiplied and exchanged in each of them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.accelerators_products import product_flops

COLLECTIVES = (
  "all-reduce",
  "all-gather",
  "all-to-all",
  "collective-permute",
  "reduce-scatter",
)
PLACES = ("time loops", "other loops", "outside")

_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"(?:^|\s)([a-z][a-z0-9\-]*)\(")
_SHAPE = re.compile(r"[a-z]\w*\[([\d,]*)\]")


class Instruction(NamedTuple):
  """One line of a computation.

  Attributes:
    root: whether it is the computation's result.
    shape: of the result; of its first part, if it is a tuple.
    opcode: what is done.
    operands: names of what it is done to.
    text: the line from the operands on, with the attributes.
  """

  root: bool
  shape: tuple[int, ...]
  opcode: str
  operands: list[str]
  text: str


Computation = dict[str, Instruction]


class Module(NamedTuple):
  """Computations by name, and the name of the one that is called first."""

  computations: dict[str, Computation]
  entry: str


class Loop(NamedTuple):
  """One loop; the program itself is a loop of one turn.

  Attributes:
    turns: how often its body runs; None where the program doesn't say it.
    products: floating-point operations of the matrix products in one turn, those
      of inner loops aside.
    collectives: kind and identity of the exchanges between devices in the body,
      inner loops aside.
    loops: directly inside.
  """

  turns: int | None
  products: int
  collectives: frozenset[tuple[str, str]]
  loops: tuple["Loop", ...]

  def flops(self) -> int:
    """Operations of the products in all turns.

    Raises:
      ValueError: it is not known how often a loop with products turns.
    """
    once = self.products + sum(loop.flops() for loop in self.loops)
    if once and self.turns is None:
      raise ValueError("a loop with products in it has no known number of turns")
    return once * (self.turns or 0)

  def flops_once(self) -> int:
    """The same with every body counted once, as XLA's cost analysis does."""
    return self.products + sum(loop.flops_once() for loop in self.loops)

  def is_over_time(self) -> bool:
    """Whether it multiplies and holds no other loop that does.

    Loops over train steps or seeds hold those over time.
    """
    return bool(self.products) and not any(loop.flops_once() for loop in self.loops)


def parse(text: str) -> Module:
  """Reads what `compiled.as_text()` returns."""
  computations: dict[str, Computation] = {}
  entry, current = "", None
  for line in text.splitlines():
    if found := _COMPUTATION.match(line):
      current = computations.setdefault(found[2], {})
      entry = found[2] if found[1] else entry
    elif current is not None and (found := _INSTRUCTION.match(line)):
      current[found[2]] = _instruction(bool(found[1]), found[3])
  return Module(computations, entry)


def loop_tree(module: Module) -> Loop:
  """The program with all its loops."""
  return _loop(module, module.entry, 1)


def flops_over_time(program: Loop) -> int:
  """Operations of the products in the loops over time, in all turns."""

  def inside(loop):
    once = sum(
      inner.flops() if inner.is_over_time() else inside(inner) for inner in loop.loops
    )
    return once * (loop.turns or 0)

  return inside(program)


def turns_over_time(program: Loop) -> list[int]:
  """Turns of each loop over time, in the order of the program's text."""
  return [
    turns
    for loop in program.loops
    for turns in ([loop.turns] if loop.is_over_time() else turns_over_time(loop))
  ]


def count_collectives(program: Loop) -> dict[str, dict[str, int]]:
  """Exchanges between devices, by place (`PLACES`) and kind.

  Instructions, not executions: one in a loop over time runs at every step. On TPU one
  exchange may go on while loops run; its pieces are noted as a chain, which counts
  once, at the outermost of its places.
  """
  found: dict[str, set[tuple[str, str]]] = {place: set() for place in PLACES}

  def visit(loop, place):
    found[place] |= loop.collectives
    for inner in loop.loops:
      over_time = place == "time loops" or inner.is_over_time()
      visit(inner, "time loops" if over_time else "other loops")

  visit(program, "outside")
  found["other loops"] -= found["outside"]
  found["time loops"] -= found["outside"] | found["other loops"]
  return {
    place: {kind: sum(kind == one for one, _ in exchanges) for kind in COLLECTIVES}
    for place, exchanges in found.items()
  }


def _instruction(root, text):
  opcode = _OPCODE.search(text)
  head, rest = text[: opcode.start()], text[opcode.end() :]
  shape = _SHAPE.search(head)
  dims = shape[1].split(",") if shape and shape[1] else []
  return Instruction(
    root,
    tuple(int(size) for size in dims),
    opcode[1],
    re.findall(r"%([\w.\-]+)", rest.partition(")")[0]),
    rest,
  )


def _loop(module, name, turns):
  products, collectives, loops = 0, set(), []
  for computation, instruction in _reached(module, name):
    opcode = instruction.opcode
    if opcode in ("dot", "convolution"):
      operands = [computation[operand].shape for operand in instruction.operands]
      products += product_flops(opcode, instruction.shape, operands, instruction.text)
    elif opcode.removesuffix("-start") in COLLECTIVES:
      chain = re.search(r'chain_id="\d+"', instruction.text)
      # Outside of a chain, it is told from others by all of its text.
      name = chain[0] if chain else instruction.text
      collectives.add((opcode.removesuffix("-start"), name))
    elif opcode == "while":
      inner = _turns(module, computation, instruction)
      loops.append(_loop(module, _named(instruction, "body"), inner))
  return Loop(turns, products, frozenset(collectives), tuple(loops))


def _reached(module: Module, name: str) -> Iterator[tuple[Computation, Instruction]]:
  """Every instruction of a computation and of those it calls, loops left alone."""
  computation = module.computations[name]
  for instruction in computation.values():
    yield computation, instruction
    called = []
    if found := _named(instruction, "calls"):
      called = [found]
    elif instruction.opcode == "call":
      called = [_named(instruction, "to_apply")]
    elif instruction.opcode == "conditional":
      found = re.search(r"branch_computations=\{(.*?)\}", instruction.text)
      called = re.findall(r"%([\w.\-]+)", found[1]) if found else []
    for inner in called:
      yield from _reached(module, inner)


def _named(instruction, attribute):
  found = re.search(rf"\b{attribute}=%?([\w.\-]+)", instruction.text)
  return found[1] if found else None


def _turns(module, computation, loop):
  """Turns of a loop that counts upwards by one; None for any other.

  From what the compiler notes, or else from the condition: `counter < constant`.
  """
  if noted := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.text):
    return int(noted[1])
  condition = module.computations[_named(loop, "condition")]
  (root,) = (line for line in condition.values() if line.root)
  compared = root
  if called := _named(root, "calls"):
    (compared,) = (line for line in module.computations[called].values() if line.root)
  if "direction=LT" not in compared.text or len(root.operands) != 2:
    return None
  counter = condition[root.operands[0]]
  index = re.search(r"\bindex=(\d+)", counter.text)
  state = computation[loop.operands[0]]
  if counter.opcode != "get-tuple-element" or state.opcode != "tuple":
    return None
  begin = _integer(computation, state.operands[int(index[1])])
  end = _integer(condition, root.operands[1])
  return None if begin is None or end is None else end - begin


def _integer(computation, name):
  """The value of a constant, through copies; None for what is computed."""
  instruction = computation[name]
  while instruction.opcode in ("copy", "bitcast"):
    instruction = computation[instruction.operands[0]]
  value = re.match(r"(-?\d+)\)", instruction.text)
  return int(value[1]) if instruction.opcode == "constant" and value else None
