"""The notation of every signature: axis names, and the shapes they make.

time      steps of a sequence; always the first axis inside the library
batch     sequences side by side; the second axis
features  entries of one input vector
hidden    units of one layer
outputs   entries of one output vector (classes, or predicted numbers)
events    marked steps of one example (where the symbols to remember stand)
seeds     independent trainings in one program; outside everything else

Arrays are time-major inside the library and batch-major only where data enter.
Parameters are plain nested dicts; a carry is a `NamedTuple`, leaves (batch, ...).
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int, Num, PRNGKeyArray, Shaped

Array = jax.Array
AnyArray = jax.Array | np.ndarray  # inside a program, or behind it

Params = dict[str, Any]
Carry = Any
Projection = Any

Inputs = Shaped[Array, "time batch *features"]
Lengths = Int[Array, "batch"]
Resets = Bool[Array, "time batch"]
Active = Bool[Array, "time batch"]
Scalar = Num[Array, ""]
Key = PRNGKeyArray
