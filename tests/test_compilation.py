"""What XLA is told of a program, by what becomes of it."""

import pathlib
import resource
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp

from rnn_research.training.compilation import compile_for, compiler_options
from rnn_research.training.placement import make_layout

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_large_programs_keep_their_memory():
  """Two seeds of an LSTM on two devices, 130 MiB each: its pages aren't mapped anew."""
  script = """
  import resource
  import jax
  import jax.numpy as jnp
  from rnn_research.cells import LSTM
  from rnn_research.training.compilation import compile_for
  from rnn_research.training.devices import suit_cpu
  from rnn_research.training.placement import make_layout, over_seeds
  from rnn_research.unroll import unroll

  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", 2)
  suit_cpu()

  def square(params, xs):
    return (unroll(LSTM(), params, xs)[1] ** 2).sum()

  layout = make_layout(2, 128, jax.devices())
  run = compile_for(layout, over_seeds(layout, jax.grad(square)))
  params = jax.vmap(lambda key: LSTM().init(key, 4, 256))(
    jax.random.split(jax.random.key(0), 2)
  )
  arguments = params, jnp.ones((64, 128, 4))
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


def test_options_are_for_cpus_alone():
  assert compiler_options("cpu")
  assert not compiler_options("gpu")
  assert not compiler_options("tpu")


def test_a_programs_own_options_join_them():
  """One that XLA doesn't know is refused, so it was handed on."""
  layout = make_layout(1, 1, jax.devices()[:1])
  doubled = compile_for(layout, lambda x: 2 * x, on_cpu={"xla_cpu_no_such_flag": 1})
  try:
    doubled(jnp.ones(3))
  except Exception as error:
    assert "xla_cpu_no_such_flag" in str(error)
  else:
    raise AssertionError("not handed on")
