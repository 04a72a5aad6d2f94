"""What XLA is told of a program that it compiles for the devices of a layout."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from rnn_research.training.placement import Layout

# Bytes. XLA takes what a program needs in passing as one block of memory. In all
# threads but the first, glibc has no place for a block above 64 MiB, whatever it was
# asked to keep, and maps it anew, page by page, in every call: a fifth of the time of a
# large layer's step. In blocks that fit they stay where they are.
BLOCKS, LARGEST = "xla_multiheap_size_constraint_per_heap", 48 << 20


def compile_for(
  layout: Layout,
  function: Callable[..., Any],
  *,
  on_cpu: Mapping[str, Any] | None = None,
  **arguments: Any,
) -> Callable[..., Any]:
  """`jax.jit`, with what suits a layout's platform.

  Args:
    layout: whose devices it will run on.
    function: of arrays.
    on_cpu: options of XLA besides, for CPU alone.
    arguments: of `jax.jit`.
  """
  options = compiler_options(layout.platform)
  if options:
    options |= on_cpu or {}
  return jax.jit(function, compiler_options=options, **arguments)


def compiler_options(platform: str) -> dict[str, Any]:
  """Options for a platform; accelerators have allocators of their own."""
  return {BLOCKS: LARGEST} if platform == "cpu" else {}
