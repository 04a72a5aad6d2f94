"""What XLA is told of a program, by what becomes of it."""

import pathlib
import resource
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp

from rnn_research.cells import LSTM
from rnn_research.training.compilation import LARGEST, compiler_options, largest_stack
from rnn_research.training.start import start
from tests.small_run import make_config

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_large_programs_keep_their_memory():
  """Two seeds of an LSTM on two devices, 130 MiB each: its pages aren't mapped anew."""
  script = """
  import resource
  import jax
  import jax.numpy as jnp
  from rnn_research.cells import LSTM
  from rnn_research.training.compilation import compiler_options, largest_stack
  from rnn_research.training.devices import suit_cpu
  from rnn_research.training.placement import make_layout, over_seeds
  from rnn_research.unroll import unroll

  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", 2)
  suit_cpu()

  def square(params, xs):
    return (unroll(LSTM(), params, xs)[1] ** 2).sum()

  layout = make_layout(2, 128, jax.devices())
  params = jax.vmap(lambda key: LSTM().init(key, 4, 256))(
    jax.random.split(jax.random.key(0), 2)
  )
  arguments = params, jnp.ones((64, 128, 4))
  run = jax.jit(
    over_seeds(layout, jax.grad(square)),
    compiler_options=compiler_options("cpu", largest_stack(*arguments, 1)),
  )
  for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    jax.block_until_ready(run(*arguments))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
  """
  found = subprocess.run(
    [sys.executable, "-c", textwrap.dedent(script)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  # In some call: the heaps take a few to settle, and whoever else runs moves them.
  least = min(map(int, found.stdout.split())) * resource.getpagesize()
  assert least < 4 << 20


def test_only_what_fits_is_asked_for():
  """And of CPUs alone."""
  assert compiler_options("cpu", LARGEST)
  assert not compiler_options("cpu", LARGEST + 1)
  assert not compiler_options("gpu", 0)
  assert not compiler_options("tpu", 0)


def test_the_largest_stack_is_that_of_the_gates_or_of_the_inputs():
  cell, inputs = LSTM(), jax.ShapeDtypeStruct((7, 10, 3), jnp.float32)
  params = cell.init(jax.random.key(0), 3, 5)
  assert largest_stack(params, inputs, 1) == 7 * 10 * (4 * 5) * 4
  assert largest_stack(params, inputs, 3) == 7 * 4 * (4 * 5) * 4
  wide = jax.ShapeDtypeStruct((7, 10, 6, 9), jnp.float32)
  assert largest_stack(params, wide, 1) == 7 * 10 * (6 * 9) * 4


def test_a_run_knows_its_own(tmp_path):
  changes = {"model.cell": "gru", "model.hidden": 512, "train.batch": 6}
  run = start(make_config(changes), str(tmp_path / "run"))
  inputs = run.source.shapes(6).inputs
  wanted = inputs.shape[0] * 6 * (3 * 512) * 4
  assert run.program.largest_stack == wanted
