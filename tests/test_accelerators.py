"""How programs compiled for accelerators are read; their compiler isn't needed."""

import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P

from benchmarks.accelerators_figures import describe
from benchmarks.accelerators_hlo import (
  count_collectives,
  flops_over_time,
  loop_tree,
  parse,
  turns_over_time,
)
from benchmarks.accelerators_products import product_flops
from benchmarks.accelerators_programs import Sizes, gradient_subject, train_subject
from benchmarks.accelerators_table import failures, table
from rnn_research.config import Config
from rnn_research.errors import ConfigError
from rnn_research.training.advance import compile_advance
from rnn_research.training.start import start
from tests.small_run import initial_state, make_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS, TIME, BATCH, WIDTH = 5, 7, 4, 16


@pytest.fixture(scope="module")
def nested():
  """A loop in a loop on two devices, with known products and exchanges in each."""

  def over_time(carry, _):
    return jnp.tanh(carry @ jnp.ones((WIDTH, WIDTH))), None

  def exchanging(carry, _):
    carry, _ = over_time(carry, None)
    return carry + lax.psum(carry.sum(), "batch"), None

  def over_steps(x, _):
    x, _ = lax.scan(over_time, x, length=TIME)
    x, _ = lax.scan(exchanging, x, length=TIME + 2)
    everyone = lax.all_gather(x, "batch", tiled=True)
    return x + x @ jnp.sin(everyone.T @ everyone), None

  def program(x):
    x, _ = lax.scan(over_steps, x, length=STEPS)
    return lax.psum(x.T @ x, "batch")

  mesh = Mesh(jax.devices(), ("batch",), axis_types=(AxisType.Auto,))
  on_devices = jax.shard_map(
    program, mesh=mesh, in_specs=P("batch"), out_specs=P(), check_vma=False
  )
  return jax.jit(on_devices).lower(jnp.ones((2 * BATCH, WIDTH))).compile()


def test_products_are_counted_with_the_turns_of_their_loops(nested):
  program = loop_tree(parse(nested.as_text()))
  one = 2 * BATCH * WIDTH * WIDTH
  over_time = STEPS * (TIME + TIME + 2) * one
  # All examples are multiplied where they were gathered: two devices' worth.
  others = STEPS * (2 * one + one) + one
  assert turns_over_time(program) == [TIME, TIME + 2]
  assert flops_over_time(program) == over_time
  assert program.flops() == over_time + others
  assert program.flops_once() == 2 * one + 3 * one + one
  # XLA's own count, of everything with each body once, lies just above.
  analysis = nested.cost_analysis()["flops"]
  assert program.flops_once() < analysis < 1.3 * program.flops_once()


def test_exchanges_are_counted_where_they_stand(nested):
  counts = count_collectives(loop_tree(parse(nested.as_text())))
  found = {
    place: {kind: number for kind, number in kinds.items() if number}
    for place, kinds in counts.items()
  }
  assert found == {
    "time loops": {"all-reduce": 1},
    "other loops": {"all-gather": 1},
    "outside": {"all-reduce": 1},
  }


def test_turns_are_read_from_the_condition_where_nobody_notes_them(nested):
  text = nested.as_text()
  bare = re.sub(r'"known_trip_count":\{"n":"\d+"\}', '"x":{}', text)
  assert bare != text
  assert loop_tree(parse(bare)) == loop_tree(parse(text))


def test_a_loop_that_ends_when_it_likes_has_no_number_of_turns():
  def program(x):
    return lax.while_loop(
      lambda x: x.sum() < 100.0, lambda x: x @ jnp.ones((WIDTH, WIDTH)), x
    )

  compiled = jax.jit(program).lower(jnp.ones((BATCH, WIDTH))).compile()
  tree = loop_tree(parse(compiled.as_text()))
  assert [loop.turns for loop in tree.loops] == [None]
  with pytest.raises(ValueError, match="no known number of turns"):
    tree.flops()


# One gather that goes on while a loop runs: begun, carried on and ended.
OVERLAPPED = """
%piece (a: f32[2], b: f32[4]) -> f32[4] {
  %a = f32[2]{0} parameter(0)
  ROOT %gather.1 = f32[4]{0} all-gather(%a), frontend_attributes={chain_id="0"}
}

%body (state: (s32[], f32[2])) -> (s32[], f32[2]) {
  %state = (s32[], f32[2]{0}) parameter(0)
  %x = f32[2]{0} get-tuple-element(%state), index=1
  %going = f32[4]{0} fusion(%x), kind=kCustom, calls=%piece
  %sum = f32[2]{0} all-reduce(%x), channel_id=1, to_apply=%add
  %product = f32[2]{0} dot(%x, %x), lhs_contracting_dims={}
}

%condition (state.1: (s32[], f32[2])) -> pred[] {
  %state.1 = (s32[], f32[2]{0}) parameter(0)
  %turn = s32[] get-tuple-element(%state.1), index=0
  %end = s32[]{:T(128)} constant(12)
  ROOT %on = pred[] compare(%turn, %end), direction=LT
}

ENTRY %main (x.1: f32[2]) -> f32[2] {
  %x.1 = f32[2]{0} parameter(0)
  %zero = s32[] constant(2)
  %begin = s32[] copy(%zero)
  %begun = f32[4]{0} fusion(%x.1), kind=kCustom, calls=%piece
  %all = (s32[], f32[2]{0}) tuple(%begin, %x.1)
  %loop = (s32[], f32[2]{0}) while(%all), condition=%condition, body=%body
}
"""


def test_an_exchange_that_goes_on_in_a_loop_counts_where_it_begins():
  program = loop_tree(parse(OVERLAPPED))
  assert turns_over_time(program) == [10]
  counts = count_collectives(program)
  assert (counts["outside"]["all-gather"], counts["time loops"]["all-gather"]) == (1, 0)
  assert counts["time loops"]["all-reduce"] == 1


@pytest.mark.parametrize(
  "options",
  [
    {},
    {"window_strides": (2, 1), "padding": ((1, 2), (0, 3))},
    {"lhs_dilation": (3, 2), "padding": ((2, 0), (1, 1))},
    {"rhs_dilation": (2, 1)},
    {"feature_group_count": 2},
  ],
)
def test_convolutions_cost_what_the_compiler_says(options):
  groups = options.get("feature_group_count", 1)
  options = {"window_strides": (1, 1), "padding": "VALID"} | options

  def convolve(image, kernel):
    return lax.conv_general_dilated(image, kernel, **options)

  image = jnp.ones((2, 4, 9, 8))
  kernel = jnp.ones((6, 4 // groups, 3, 2))
  # The program as it is written: when it is compiled, it is rewritten.
  lowered = jax.jit(convolve).lower(image, kernel)
  (line,) = (x for x in lowered.as_text("hlo").splitlines() if " convolution(" in x)
  shapes = [image.shape, kernel.shape]
  found = product_flops("convolution", lowered.out_info.shape, shapes, line)
  assert found == lowered.cost_analysis()["flops"]


def test_a_batch_of_products_is_a_dilated_convolution_on_a_tpu():
  text = "window={size=5 stride=4 lhs_dilate=5}, dim_labels=0bf_0io->0bf"
  shapes = [(5, 16, 50), (5, 50, 200)]
  found = product_flops("convolution", (5, 16, 200), shapes, text)
  assert found == 2 * 5 * 16 * 50 * 200


@pytest.mark.parametrize("adjoint", ["fused", "autodiff"])
@pytest.mark.parametrize("projection", ["step", "whole"])
def test_the_fused_adjoint_moves_weight_gradients_out_of_time(adjoint, projection):
  batch, time, features, hidden = 8, 11, 3, 5
  config = Config()
  config.model.cell = "lstm"
  subject = gradient_subject(
    config, Sizes(batch, time, features, hidden), adjoint, projection, jax.devices()
  )
  found = describe(subject.function.lower(*subject.arguments).compile(), subject)
  flops, counts = found["flops"], found["collectives"]
  each = 2 * (batch // 2) * time * 4 * hidden
  recurrent, inputs = each * hidden, each * features
  moved = 0
  if adjoint == "fused":
    moved += recurrent + inputs  # both weight gradients
  if projection == "whole":
    moved += inputs  # the projection
    moved += inputs if adjoint == "autodiff" else 0  # and its gradient
  # Forward, back to the earlier step, and the weight gradient; no gradient of inputs.
  total = 3 * recurrent + 2 * inputs
  if adjoint == "autodiff" and projection == "step":
    total += inputs  # one product of input and state goes back to both
  # The first step's recurrent products, whose carry is zero, may be left out; the
  # sum that is a bias's gradient may be a product with ones.
  first, bias = 2 * recurrent // time, each if adjoint == "fused" else 0
  assert total - first <= flops["step"] <= total + bias
  assert moved - first <= flops["outside"] <= moved + bias
  assert flops["outside"] + flops["time_loops"] == flops["step"]
  assert flops["counted_once"] < flops["cost_analysis"]
  # On CPU the scan's own gradient reduces over the devices in every step.
  assert counts["time loops"]["all-reduce"] == (adjoint == "autodiff")
  assert counts["outside"]["all-reduce"] >= 1


def test_one_example_on_a_device_leaves_no_products_to_read():
  config = Config()
  subject = gradient_subject(config, Sizes(2, 5, 3, 4), "fused", "step", jax.devices())
  assert subject.examples == 1
  found = describe(subject.function.lower(*subject.arguments).compile(), subject)
  assert found["flops"].keys() == {"cost_analysis"}


def test_the_program_is_the_one_that_a_run_dispatches(tmp_path):
  config = make_config({"train.devices": 2})
  run = start(config, str(tmp_path))
  subject = train_subject(config, jax.devices())
  assert subject.function is compile_advance(run.program, config.train.log_every, 1)
  state, batches = subject.arguments
  assert batches is None
  found = jax.tree.map(lambda x: (x.shape, x.dtype, x.sharding), state)
  wanted = jax.tree.map(lambda x: (x.shape, x.dtype, x.sharding), initial_state(run))
  assert found == wanted


def test_more_devices_than_the_topology_has_are_refused():
  with pytest.raises(ConfigError, match="train.devices: 3 are more than the 2"):
    train_subject(make_config({"train.devices": 3}), jax.devices())


def test_what_fails_is_in_the_table_with_its_reason():
  lowers = {"cuda": {"bytes": 2048}, "rocm": {"failure": "no such thing"}}
  program = {"name": "train", "lowers": lowers | {"tpu": {"bytes": 1024}}}
  programs = [program | {"failure": "no room"}]
  record = {"device": "D", "topology": "t", "devices": 4, "layer": {"batch": 2}}
  lines = table(record | {"programs": programs}).splitlines()
  assert lines[-2:] == failures(programs)
  assert lines[-2:] == ["train, compiling: no room", "train, rocm: no such thing"]
  cells = {line.rpartition("  ")[0].strip(): line.split()[-1] for line in lines}
  assert cells["lowers for cuda, KiB"] == "2"
  assert cells["lowers for rocm, KiB"] == "failed"


# The main in an interpreter that doesn't find the TPU compiler, installed or not.
WITHOUT = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "libtpu" else find(name, *a)
sys.argv = ["accelerators", *sys.argv[1:]]
runpy.run_module("benchmarks.accelerators", run_name="__main__")
"""


@pytest.mark.parametrize(
  "arguments, line",
  [
    ([], "error: libtpu: not installed; pip install -e '.[accelerators]'\n"),
    (
      ["--layer=512,64,x,512"],
      "error: --layer: '512,64,x,512' is not four sizes; write 512,64,128,512\n",
    ),
    (
      ["--output=nowhere/file.json"],
      "error: --output: no folder 'nowhere'; make it first\n",
    ),
    (
      ["--output=tests"],
      "error: --output: 'tests' is a folder; name a file in it\n",
    ),
  ],
)
def test_what_is_missing_is_said_in_one_line(arguments, line, tmp_path):
  given = ["--config=configs/temporal_order.py:tiny", f"--output={tmp_path}/file.json"]
  result = subprocess.run(
    [sys.executable, "-c", WITHOUT, *given, *arguments],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert (result.returncode, result.stdout, result.stderr) == (2, "", line)
  assert not list(tmp_path.iterdir())
