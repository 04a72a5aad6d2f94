"""A loss that every output and every leaf of the last carry takes part in."""

import functools

import jax


def loss(carry, outputs):
  """Fixed random weights and a curvature on all outputs, and cubes of the carry."""
  weights = jax.random.normal(jax.random.key(9), outputs.shape, outputs.dtype)
  total = (outputs * weights).sum() + 0.5 * (outputs**2).sum()
  return total + sum((leaf**3).sum() for leaf in jax.tree.leaves(carry))


# Laws ask what a program computes, not how fast: compiling is what takes time.
unoptimised = functools.partial(
  jax.jit,
  compiler_options={
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    # Half of what is left: a compiler of its own for each kernel, built up anew.
    "xla_cpu_use_fusion_emitters": False,
  },
)
