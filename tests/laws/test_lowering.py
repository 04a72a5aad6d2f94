"""The gradient of every family compiles for the accelerators that aren't here."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.unroll import unroll
from tests.laws.losses import loss
from tests.laws.subjects import FAMILIES, subject

PLATFORMS = ("cuda", "rocm", "tpu")


@pytest.mark.parametrize("projection", ["step", "whole"])
@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_lower_for_cuda_rocm_and_tpu(name, projection):
  s = subject(name, jnp.float32)

  def value(params, xs, lengths):
    return loss(*unroll(s.cell, params, xs, lengths=lengths, projection=projection))

  exported = jax.export.export(jax.jit(jax.value_and_grad(value)), platforms=PLATFORMS)(
    s.params, s.xs, s.lengths
  )
  assert exported.platforms == PLATFORMS
  wanted = jax.tree.leaves(s.params)
  assert [(a.shape, a.dtype) for a in exported.out_avals[1:]] == [
    (p.shape, p.dtype) for p in wanted
  ]
  # One loop forward and one back, and no loop that autodiff would add.
  assert exported.mlir_module().count("stablehlo.while") == 2
