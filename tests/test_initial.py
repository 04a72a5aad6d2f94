"""How parameters start, against the distributions that the schemes are named for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy import stats

from rnn_research.cells import GRU, LSTM, PRESETS, Elman, Initial, Residual
from rnn_research.cells.orthogonal import orthogonal
from rnn_research.errors import ConfigError

INPUTS, HIDDEN = 48, 64
# Deterministic: the keys are fixed. A wrong distribution has p below 1e-10.
LEAST_P = 1e-3
DENSE = {
  "elman": (Elman(), ("hidden",)),
  "gru": (GRU(), ("hidden",)),
  "gru_before": (GRU(reset_after=False), ("gates", "candidate")),
  "lstm": (LSTM(), ("hidden",)),
  "lstm_coupled": (LSTM(coupled=True), ("hidden",)),
}


def drawn(cell, seed=0, **fields):
  """Parameters of the test's sizes."""
  return cell.init(jax.random.key(seed), INPUTS, HIDDEN, Initial(**fields))


def blocks(name, **fields):
  """The recurrent matrix of every gate."""
  cell, products = DENSE[name]
  params = drawn(cell, **fields)
  kernels = [np.asarray(params[product]["kernel"]) for product in products]
  return [
    block
    for kernel in kernels
    for block in np.split(kernel, kernel.shape[1] // HIDDEN, axis=1)
  ]


def is_uniform(values, low, high):
  """Kolmogorov-Smirnov against the uniform distribution on [low, high]."""
  return stats.kstest(np.ravel(values), "uniform", (low, high - low)).pvalue > LEAST_P


def is_truncated_normal(values, deviation):
  """Against a normal of this deviation, cut at two of them."""
  cut = stats.truncnorm(-2, 2, scale=deviation)
  return stats.kstest(np.ravel(values), cut.cdf).pvalue > LEAST_P


@pytest.mark.parametrize("name", DENSE)
def test_orthogonal_gate_by_gate(name):
  found = blocks(name)
  for block in found:
    np.testing.assert_allclose(np.linalg.svd(block)[1], 1, atol=1e-5)
  for one, other in zip(found, found[1:], strict=False):
    assert np.abs(one - other).max() > 0.1


def test_orthogonal_under_a_projection():
  """h has 24 entries: each gate's 24 rows are orthonormal."""
  kernel = np.asarray(drawn(LSTM(projection=24))["hidden"]["kernel"])
  assert kernel.shape == (24, 4 * HIDDEN)
  for block in np.split(kernel, 4, axis=1):
    np.testing.assert_allclose(block @ block.T, np.eye(24), atol=1e-5)


@pytest.mark.parametrize("name", DENSE)
def test_identity(name):
  for block in blocks(name, recurrent="identity"):
    np.testing.assert_array_equal(block, np.eye(HIDDEN))


def test_gaussian_has_spectral_radius_one():
  params = Elman().init(jax.random.key(0), 1, 500, Initial(recurrent="gaussian"))
  kernel = np.asarray(params["hidden"]["kernel"])
  normal = stats.norm(scale=500**-0.5)
  assert stats.kstest(kernel.ravel(), normal.cdf).pvalue > LEAST_P
  np.testing.assert_allclose(np.abs(np.linalg.eigvals(kernel)).max(), 1, atol=0.05)


@pytest.mark.parametrize("name", DENSE)
def test_uniform_within_one_over_the_root_of_hidden(name):
  bound = HIDDEN**-0.5
  for block in blocks(name, recurrent="uniform"):
    assert is_uniform(block, -bound, bound)


@pytest.mark.parametrize("like", ["", *PRESETS])
@pytest.mark.parametrize("name", DENSE)
def test_factors_scale_their_matrices_and_nothing_else(name, like):
  cell, products = DENSE[name]
  plain = drawn(cell, like=like)
  scaled = drawn(cell, like=like, gain=3.0, input_scale=0.25)
  wanted = jax.tree.map(lambda leaf: leaf, plain)
  wanted["input"]["kernel"] = 0.25 * plain["input"]["kernel"]
  for product in products:
    wanted[product]["kernel"] = 3.0 * plain[product]["kernel"]
  jax.tree.map(np.testing.assert_array_equal, scaled, wanted)


def test_ours_is_lecun_normal_with_forget_bias_one():
  params = drawn(LSTM())
  # Rescaled for the cut, so that the variance is 1/inputs.
  deviation = INPUTS**-0.5 / 0.87962566103423978
  assert is_truncated_normal(params["input"]["kernel"], deviation)
  assert abs(np.var(params["input"]["kernel"]) * INPUTS - 1) < 0.05
  bias = np.repeat([0, 1, 0, 0], HIDDEN)
  np.testing.assert_array_equal(params["input"]["bias"], bias)
  moved = drawn(LSTM(layer_norm=True))
  assert "bias" not in moved["input"]
  np.testing.assert_array_equal(moved["norm_input"]["bias"], bias)
  np.testing.assert_array_equal(moved["norm_hidden"]["scale"], 1)
  coupled = drawn(LSTM(coupled=True))["input"]["bias"]
  np.testing.assert_array_equal(coupled, np.repeat([1, 0, 0], HIDDEN))


@pytest.mark.parametrize(
  ("like", "offset"), [("", 1), ("torch", 0), ("keras", 1), ("flax", 0), ("haiku", 1)]
)
def test_forget_bias_of_every_library(like, offset):
  plain = drawn(LSTM(), like=like, forget_bias=0.0)["input"]["bias"]
  own = drawn(LSTM(), like=like)["input"]["bias"]
  other = drawn(LSTM(), like=like, forget_bias=2.5)["input"]["bias"]
  pattern = np.repeat([0, 1, 0, 0], HIDDEN)
  np.testing.assert_allclose(own - plain, offset * pattern, atol=1e-6)
  np.testing.assert_allclose(other - plain, 2.5 * pattern, atol=1e-6)


@pytest.mark.parametrize("name", DENSE)
def test_like_torch_everything_is_uniform(name):
  """In +-1/sqrt(hidden); a bias that stands for two is the sum of two."""
  cell, _ = DENSE[name]
  bound = HIDDEN**-0.5
  params = drawn(cell, like="torch")
  assert is_uniform(params["input"]["kernel"], -bound, bound)
  for block in blocks(name, like="torch"):
    assert is_uniform(block, -bound, bound)
  if name == "lstm":
    projected = drawn(LSTM(projection=HIDDEN // 2), like="torch")
    assert is_uniform(projected["projection"]["kernel"], -bound, bound)
  keys = jax.random.split(jax.random.key(1), 40)
  many = jax.vmap(lambda k: cell.init(k, 1, HIDDEN, Initial(like="torch")))(keys)
  bias = np.asarray(many["input"]["bias"])
  both = stats.triang(0.5, -2 * bound, 4 * bound).cdf
  if name == "gru":  # b_n and c_n are parameters of their own
    assert is_uniform(many["hidden"]["bias"], -bound, bound)
    assert is_uniform(bias[:, 2 * HIDDEN :], -bound, bound)
    bias = bias[:, : 2 * HIDDEN]
  assert stats.kstest(bias.ravel(), both).pvalue > LEAST_P


@pytest.mark.parametrize(("name", "gates"), [("elman", 1), ("gru", 3), ("lstm", 4)])
def test_like_keras_orthogonal_over_all_gates_at_once(name, gates):
  """Which leaves each gate with singular values of rms 1/sqrt(gates)."""
  params = drawn(DENSE[name][0], like="keras")
  kernel = np.asarray(params["hidden"]["kernel"])
  np.testing.assert_allclose(kernel @ kernel.T, np.eye(HIDDEN), atol=1e-5)
  for block in blocks(name, like="keras"):
    rms = np.sqrt((np.linalg.svd(block)[1] ** 2).mean())
    np.testing.assert_allclose(rms, gates**-0.5, rtol=0.05)
  bound = (6 / (INPUTS + gates * HIDDEN)) ** 0.5
  assert is_uniform(params["input"]["kernel"], -bound, bound)


@pytest.mark.parametrize(
  ("name", "theirs", "gates"),
  [
    ("lstm", nn.LSTMCell, ("hi", "hf", "hg", "ho")),
    ("gru", nn.GRUCell, ("hr", "hz", "hn")),
    ("elman", nn.SimpleCell, ("h",)),
  ],
)
def test_like_flax_is_what_flax_draws(name, theirs, gates):
  cell = theirs(HIDDEN)
  carry = cell.initialize_carry(jax.random.key(0), (1, INPUTS))
  variables = cell.init(jax.random.key(1), carry, jnp.zeros((1, INPUTS)))["params"]
  for gate, block in zip(gates, blocks(name, like="flax"), strict=True):
    both = (variables[gate]["kernel"], block)
    values = [np.linalg.svd(np.asarray(kernel))[1] for kernel in both]
    np.testing.assert_allclose(*values, atol=1e-5)
  inputs = [np.ravel(variables[f"i{g[1:]}"]["kernel"]) for g in gates]
  ours = np.ravel(drawn(DENSE[name][0], like="flax")["input"]["kernel"])
  assert stats.ks_2samp(np.concatenate(inputs), ours).pvalue > LEAST_P


def test_like_haiku():
  """LSTM: one draw over [x; h]. GRU: variance scaling. Vanilla: fan-in."""
  cut = 0.87962566103423978
  lstm = drawn(LSTM(), like="haiku")
  joint = (INPUTS + HIDDEN) ** -0.5
  assert is_truncated_normal(lstm["input"]["kernel"], joint)
  assert is_truncated_normal(lstm["hidden"]["kernel"], joint)
  gru = drawn(GRU(), like="haiku")
  assert is_truncated_normal(gru["input"]["kernel"], INPUTS**-0.5 / cut)
  assert is_truncated_normal(gru["hidden"]["kernel"], HIDDEN**-0.5 / cut)
  elman = drawn(Elman(), like="haiku")
  assert is_truncated_normal(elman["input"]["kernel"], INPUTS**-0.5)
  assert is_truncated_normal(elman["hidden"]["kernel"], HIDDEN**-0.5)


@pytest.mark.parametrize("coupled", [False, True])
def test_chrono_spreads_time_scales_evenly(coupled):
  """1/(1 - sigmoid(b_f)) is uniform in [2, T_max], and b_i = -b_f."""
  longest = 50
  initial = Initial(chrono=longest, forget_bias=7.0, recurrent="identity")
  cell = LSTM(coupled=coupled)
  bias = np.asarray(cell.init(jax.random.key(3), 1, 1000, initial)["input"]["bias"])
  parts = dict(zip(cell.gates, np.split(bias, len(cell.gates)), strict=True))
  assert 0 <= parts["f"].min() and parts["f"].max() <= np.log(longest - 1)
  assert is_uniform(1 + np.exp(parts["f"].astype(np.float64)), 2, longest)
  if not coupled:
    np.testing.assert_array_equal(parts["i"], -parts["f"])
  np.testing.assert_array_equal([parts["g"], parts["o"]], 0)


@pytest.mark.parametrize("reset_after", [True, False])
def test_chrono_of_a_gru_is_in_the_update_gate(reset_after):
  """z keeps the old state, so its bias is the forget bias."""
  params = drawn(GRU(reset_after=reset_after), chrono=50)
  r, z, n = np.split(np.asarray(params["input"]["bias"]), 3)
  assert is_uniform(1 + np.exp(z.astype(np.float64)), 2, 50)
  np.testing.assert_array_equal([r, n], 0)


@pytest.mark.parametrize("name", DENSE)
def test_seeds_differ_and_repeat(name):
  cell, products = DENSE[name]
  for scheme in ({"like": like} for like in ("", *PRESETS)):
    one, same, other = (drawn(cell, seed, **scheme) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    for part in ("input", *products):
      assert np.abs(one[part]["kernel"] - other[part]["kernel"]).min(0).max() > 0


def test_peepholes_start_at_zero_and_the_projection_does_not():
  params = drawn(LSTM(peepholes=True, projection=16))
  jax.tree.map(lambda p: np.testing.assert_array_equal(p, 0), params["peephole"])
  kernel = params["projection"]["kernel"]
  assert is_truncated_normal(kernel, HIDDEN**-0.5 / 0.87962566103423978)


def test_residual_needs_equal_sizes():
  with pytest.raises(ConfigError, match="size 3 to an output of size 4"):
    Residual(GRU()).init(jax.random.key(0), 3, 4)


def test_orthogonal_matrices_are_uniform():
  """Moments of the uniform (Haar) distribution on O(4), which any bias changes."""
  keys = jax.random.split(jax.random.key(3), 20000)
  drawn = np.asarray(jax.vmap(lambda key: orthogonal(key, (4, 4)))(keys))
  np.testing.assert_allclose(drawn.mean(0), 0, atol=0.02)
  np.testing.assert_allclose((drawn**2).mean(0), 1 / 4, atol=0.01)
  np.testing.assert_allclose((drawn**4).mean(0), 3 / (4 * 6), atol=0.01)
  traces = np.trace(drawn, axis1=1, axis2=2)
  np.testing.assert_allclose((traces**2).mean(), 1, atol=0.05)
  np.testing.assert_allclose((np.linalg.det(drawn) > 0).mean(), 1 / 2, atol=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (9, 4), (4, 9)])
def test_orthogonal_rows_or_columns(shape):
  matrix = np.asarray(orthogonal(jax.random.key(0), shape))
  assert matrix.shape == shape
  tall = matrix if shape[0] >= shape[1] else matrix.T
  np.testing.assert_allclose(tall.T @ tall, np.eye(min(shape)), atol=1e-6)
