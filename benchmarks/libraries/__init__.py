"""One module a library: how each runs a layer, in the way its documentation shows.

Each has `PACKAGES`, the distributions whose versions belong to its numbers, and
`make(cell, shape, direction, devices)`: one or several ways to run the layer, of which
the fastest will be measured. A way is a function without arguments that runs, waits
for the result and returns its arrays: forward, the outputs come first; in a gradient,
of sum(y^2) with respect to the parameters and the inputs, that of the inputs comes
last. `make` raises `Unsupported` for a cell that the library doesn't have.

All use float32, zero as initial carry, and time-major inputs where the library scans
without transposing them. A module imports its library at the top: one library a
process.
"""


class Unsupported(Exception):
  """The library has no such cell."""
