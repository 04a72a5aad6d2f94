"""Cells against PyTorch and Keras, as stored, and ONNX Runtime and Flax, live."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from flax import linen as nn

from rnn_research.cells import GRU, LSTM, Elman
from rnn_research.models.stacked import Stacked
from rnn_research.unroll import unroll
from tests.oracles import weights
from tests.oracles.cases import ARRAYS, CASES, HIDDEN, part, suffix
from tests.oracles.ours import computed, differences

DOUBLE, SINGLE = 1e-10, 1e-6


def stored(name):
  """What was given and what came out."""
  arrays = np.load(ARRAYS / f"{name}.npz")
  return {key: arrays[key] for key in arrays.files}


@pytest.mark.parametrize("name", CASES)
def test_stored_outputs_and_gradients(float64, name):
  """All outputs, last states, and gradients of weights, inputs and first states."""
  arrays = stored(name)
  found = differences(computed(CASES[name], arrays), arrays)
  assert max(found.values()) <= DOUBLE, found
  given = {key for key in arrays if key.startswith(("weights/", "carry/"))}
  assert {f"gradients/{key}" for key in given} | {"gradients/xs"} <= set(found)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.layers == 2])
def test_the_stacked_bidirectional_module(float64, name):
  """The model that trains is the network of the comparison above."""
  case, arrays = CASES[name], stored(name)
  given, carry = part(arrays, "weights"), part(arrays, "carry")
  params, first = {}, []
  for layer in range(case.layers):
    first.append([])
    for direction, side in enumerate(("forward", "backward")):
      ending = suffix(layer, direction)
      own = {
        key.removesuffix(ending): jnp.asarray(value)
        for key, value in given.items()
        if key.endswith(ending)
      }
      row = layer * case.directions + direction
      values = jax.tree.map(lambda leaf, row=row: jnp.asarray(leaf[row]), carry)
      mapped = case.weight_map(own)
      params.setdefault(f"layer_{layer}", {})[side] = {"cell": mapped}
      zero = case.cell.initial_carry(mapped, mapped["input"]["kernel"][:1])
      first[-1].append(type(zero)(**values))
  model = Stacked(case.cell, HIDDEN, layers=2, bidirectional=True)
  found = model.apply(
    {"params": params},
    jnp.asarray(arrays["xs"]),
    lengths=jnp.asarray(arrays["lengths"]),
    initial_carry=tuple(tuple(pair) for pair in first),
  )
  np.testing.assert_allclose(found.ys, arrays["outputs"], atol=DOUBLE)
  flat = [side._asdict() for layer in found.carry for side in layer]
  for leaf in carry:
    last = np.stack([side[leaf] for side in flat])
    np.testing.assert_allclose(last, arrays[f"last/{leaf}"], atol=DOUBLE)
  valid = arrays["lengths"] > 0
  summary = np.concatenate(arrays["last/hidden"][-2:], axis=-1)
  np.testing.assert_allclose(found.summary[valid], summary[valid], atol=DOUBLE)


ONNX = {
  "rnn": ("RNN", 1, {}, Elman(), weights.onnx_rnn),
  "gru": ("GRU", 3, {"linear_before_reset": 1}, GRU(), weights.onnx_gru),
  "gru_before": (
    "GRU",
    3,
    {"linear_before_reset": 0},
    GRU(reset_after=False),
    weights.onnx_gru_before,
  ),
  "lstm": ("LSTM", 4, {}, LSTM(), weights.onnx_lstm),
  "lstm_peepholes": ("LSTM", 4, {}, LSTM(peepholes=True), weights.onnx_lstm),
  "lstm_coupled": (
    "LSTM",
    4,
    {"input_forget": 1},
    LSTM(coupled=True),
    weights.onnx_lstm_coupled,
  ),
}


def run_onnx(operator, attributes, given):
  """The outputs of one operator, from its named inputs."""
  order = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
  names = [name if name in given else "" for name in order]
  while not names[-1]:
    names.pop()
  outputs = ["Y", "Y_h", "Y_c"] if operator == "LSTM" else ["Y", "Y_h"]
  node = onnx.helper.make_node(
    operator,
    names,
    outputs,
    hidden_size=given["R"].shape[-1],
    direction="bidirectional",
    **attributes,
  )

  def described(name, dtype):
    return onnx.helper.make_tensor_value_info(name, dtype, None)

  inputs = [
    described(
      name,
      onnx.TensorProto.INT32 if name == "sequence_lens" else onnx.TensorProto.FLOAT,
    )
    for name in names
    if name
  ]
  graph = onnx.helper.make_graph(
    [node], "one", inputs, [described(name, onnx.TensorProto.FLOAT) for name in outputs]
  )
  model = onnx.helper.make_model(
    graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10
  )
  session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
  )
  return dict(zip(outputs, session.run(None, given), strict=True))


@pytest.mark.parametrize("name", ONNX)
def test_onnx_runtime(name):
  """Both directions, lengths down to 0, first states; forward only."""
  operator, gates, attributes, cell, weight_map = ONNX[name]
  time, batch, inputs, hidden = 5, 3, 2, 4
  generator = np.random.default_rng(7)

  def normal(*shape):
    return generator.standard_normal(shape).astype(np.float32)

  given = {
    "X": normal(time, batch, inputs),
    "W": normal(2, gates * hidden, inputs),
    "R": normal(2, gates * hidden, hidden),
    "B": normal(2, 2 * gates * hidden),
    "sequence_lens": np.array([time, 2, 0], np.int32),
    "initial_h": normal(2, batch, hidden),
  }
  if operator == "LSTM":
    given["initial_c"] = normal(2, batch, hidden)
  if name == "lstm_peepholes":
    given["P"] = normal(2, 3 * hidden)
  theirs = run_onnx(operator, attributes, given)
  for direction in range(2):
    own = {key: given[key][direction] for key in ("W", "R", "B", "P") if key in given}
    params = weight_map(jax.tree.map(jnp.asarray, own))
    x = jnp.asarray(given["X"])
    start = {"hidden": jnp.asarray(given["initial_h"][direction])}
    if operator == "LSTM":
      start["memory"] = jnp.asarray(given["initial_c"][direction])
    kind = type(cell.initial_carry(params, cell.project(params["input"], x[0])))
    last, outputs = unroll(
      cell,
      params,
      x,
      lengths=jnp.asarray(given["sequence_lens"]),
      initial_carry=kind(**start),
      reverse=bool(direction),
    )
    np.testing.assert_allclose(outputs, theirs["Y"][:, direction], atol=SINGLE)
    # For length 0 the two disagree by design: ONNX Runtime's last state is 0.
    for leaf, output in (("hidden", "Y_h"), ("memory", "Y_c")):
      if leaf in start:
        ours = getattr(last, leaf)
        np.testing.assert_allclose(ours[:2], theirs[output][direction, :2], atol=SINGLE)
        np.testing.assert_array_equal(ours[2], start[leaf][2])


FLAX = {
  "elman": (nn.SimpleCell, Elman(), weights.linen_rnn),
  "gru": (nn.GRUCell, GRU(), weights.linen_gru),
  "lstm": (nn.LSTMCell, LSTM(), weights.linen_lstm),
}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", FLAX)
def test_flax(float64, name, reverse):
  """Values and gradients of Flax's parameters; it leaves padding as it comes."""
  make, cell, weight_map = FLAX[name]
  time, batch, inputs, hidden = 5, 3, 2, 4
  k = jax.random.split(jax.random.key(3), 3)
  xs = jax.random.normal(k[0], (time, batch, inputs))
  lengths = jnp.array([time, 3, 1])
  valid = (jnp.arange(time)[:, None] < lengths[None])[..., None]
  layer = nn.RNN(
    make(hidden, param_dtype=jnp.float64),
    time_major=True,
    reverse=reverse,
    keep_order=True,
  )
  variables = layer.init(k[1], xs, seq_lengths=lengths)["params"]
  keys = iter(jax.random.split(k[2], 99))
  variables = jax.tree.map(
    lambda p: p + 0.5 * jax.random.normal(next(keys), p.shape), variables
  )

  def theirs(variables, xs):
    outputs = layer.apply({"params": variables}, xs, seq_lengths=lengths)
    return jnp.where(valid, outputs, 0)

  def ours(variables, xs):
    params = weight_map(variables["cell"])
    return unroll(cell, params, xs, lengths=lengths, reverse=reverse)[1]

  def compared(run):
    def value(*arguments):
      outputs = run(*arguments)
      return jnp.sin(3 * outputs).sum(), outputs

    return jax.jit(jax.grad(value, (0, 1), has_aux=True))(variables, xs)

  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=DOUBLE),
    compared(ours),
    compared(theirs),
  )
