"""What XLA is told of a train step that it compiles for CPU."""

import math
from typing import Any

import jax

from rnn_research.array_types import Params

# Bytes. XLA takes what a program needs in passing as one block of memory. In all
# threads but the first, glibc has no place for a block above 64 MiB, whatever it was
# asked to keep, and maps it anew, page by page, in every call: a fifth of the time of a
# large layer's step. In blocks that fit they stay where they are.
BLOCKS, LARGEST = "xla_multiheap_size_constraint_per_heap", 48 << 20


def compiler_options(platform: str, largest_stack: int) -> dict[str, Any]:
  """Options of a program; accelerators have allocators of their own.

  Args:
    platform: that it will run on.
    largest_stack: bytes, as below. One that fits no block would have XLA warn of it
      again and again, and plan for more memory than without blocks.
  """
  fits = platform == "cpu" and largest_stack <= LARGEST
  return {BLOCKS: LARGEST} if fits else {}


def largest_stack(params: Params, inputs: Any, devices: int) -> int:
  """Bytes of the widest array that one device keeps for all time steps, about.

  Args:
    params: of a model, arrays or shapes; their columns are what it computes.
    inputs: (time, batch, ...) of a train step, or their shape.
    devices: that share the batch.
  """
  time, batch, *features = inputs.shape
  columns = [leaf.shape[-1] for leaf in jax.tree.leaves(params)]
  widest = max(columns + [math.prod(features)])
  return time * -(-batch // devices) * widest * inputs.dtype.itemsize
