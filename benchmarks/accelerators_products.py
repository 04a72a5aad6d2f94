"""Floating-point operations of one matrix product, read from a compiled program.

TPUs know convolutions only: there a product of two matrices is one without a window,
and a batch of products one whose window runs over the batch and is dilated so that
each output meets its own matrix.
"""

import math
import re

Shape = tuple[int, ...]


def product_flops(opcode: str, shape: Shape, operands: list[Shape], text: str) -> int:
  """Two operations for every pair of numbers that is multiplied and added.

  Args:
    opcode: `dot` or `convolution`.
    shape: of the result.
    operands: shapes of the two.
    text: the instruction's attributes.
  """
  if opcode == "dot":
    contracted = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", text)
    axes = (
      [int(axis) for axis in contracted[1].split(",") if axis] if contracted else []
    )
    return 2 * math.prod(shape) * math.prod(operands[0][axis] for axis in axes)
  left, right, result = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", text).groups()
  window = _window(text, sum(label.isdigit() for label in result))
  met = 1
  for axis, one in enumerate(window):
    label = str(axis)
    met *= _met(
      one,
      operands[0][left.index(label)],
      operands[1][right.index(label)],
      shape[result.index(label)],
    )
  groups = re.search(r"batch_group_count=(\d+)", text)
  return (
    2
    * met
    * operands[0][left.index("b")]
    // (int(groups[1]) if groups else 1)
    * shape[result.index("f")]
    * operands[1][right.index("i")]
  )


def _window(text: str, axes: int) -> list[dict[str, int]]:
  """Stride, padding in front and dilations of each spatial axis."""
  found = re.search(r"window=\{(.*?)\}", text)
  given = dict(part.split("=") for part in found[1].split()) if found else {}

  def values(name, default):
    return given.get(name, "x".join([default] * axes)).split("x")[:axes]

  return [
    {
      "stride": int(stride),
      "padding": int(padding.partition("_")[0]),
      "lhs_dilate": int(left),
      "rhs_dilate": int(right),
    }
    for stride, padding, left, right in zip(
      values("stride", "1"),
      values("pad", "0_0"),
      values("lhs_dilate", "1"),
      values("rhs_dilate", "1"),
      strict=True,
    )
  ]


def _met(window: dict[str, int], inputs: int, size: int, outputs: int) -> int:
  """Pairs of output and window position that meet an input, not a hole or padding."""
  dilate = window["lhs_dilate"]
  count = 0
  for position in range(size):
    first = position * window["rhs_dilate"] - window["padding"]
    places = range(first, first + outputs * window["stride"], window["stride"])
    count += sum(
      0 <= place <= (inputs - 1) * dilate and place % dilate == 0 for place in places
    )
  return count
