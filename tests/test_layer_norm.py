"""Cells with layer norm against the paper's equations, in numpy; their invariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import GRU, Elman, Initial
from rnn_research.unroll import unroll

TIME, BATCH, INPUTS, HIDDEN = 6, 3, 2, 5
CELLS = {
  "elman": Elman(layer_norm=True),
  "gru": GRU(layer_norm=True),
  "gru_before": GRU(reset_after=False, layer_norm=True),
}


def drawn(cell, initial=None):
  """Parameters of which none is 0 or 1, and inputs."""
  k = jax.random.split(jax.random.key(0), 3)
  params = cell.init(k[0], INPUTS, HIDDEN, initial or Initial())
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(k[1], len(leaves))
  moved = [
    leaf + 0.3 * jax.random.normal(key, leaf.shape, leaf.dtype)
    for key, leaf in zip(keys, leaves, strict=True)
  ]
  xs = jax.random.normal(k[2], (TIME, BATCH, INPUTS), float)
  return jax.tree.unflatten(tree, moved), xs


def norm(z, scale, bias=0.0):
  """Of one vector; numpy's own mean and variance."""
  return (z - np.mean(z)) / np.sqrt(np.var(z) + 1e-5) * scale + bias


def sigmoid(z):
  return 1 / (1 + np.exp(-z))


def elman(p, x, h):
  z = x @ p["input"]["kernel"] + h @ p["hidden"]["kernel"]
  return np.tanh(norm(z, **p["norm"]))


def gates(p, x, h, kernel):
  both = slice(0, 2 * HIDDEN)
  z = norm(x @ p["input"]["kernel"][:, both], **p["norm_input_gates"])
  z = z + norm(h @ kernel[:, both], **p["norm_hidden_gates"])
  return sigmoid(z[:HIDDEN]), sigmoid(z[HIDDEN:])


def gru(p, x, h):
  kernel = p["hidden"]["kernel"]
  r, z = gates(p, x, h, kernel)
  n = norm(x @ p["input"]["kernel"][:, 2 * HIDDEN :], **p["norm_input_candidate"])
  n = n + r * norm(h @ kernel[:, 2 * HIDDEN :], **p["norm_hidden_candidate"])
  return (1 - z) * np.tanh(n) + z * h


def gru_before(p, x, h):
  r, z = gates(p, x, h, p["gates"]["kernel"])
  n = norm(x @ p["input"]["kernel"][:, 2 * HIDDEN :], **p["norm_input_candidate"])
  n = n + norm((r * h) @ p["candidate"]["kernel"], **p["norm_hidden_candidate"])
  return (1 - z) * np.tanh(n) + z * h


EQUATIONS = {"elman": elman, "gru": gru, "gru_before": gru_before}


@pytest.mark.parametrize("name", CELLS)
def test_the_paper_s_equations(float64, name):
  params, xs = drawn(CELLS[name])
  _, found = unroll(CELLS[name], params, xs)
  p = jax.tree.map(np.asarray, params)
  for example in range(BATCH):
    h = np.zeros(HIDDEN)
    for t in range(TIME):
      h = EQUATIONS[name](p, np.asarray(xs[t, example]), h)
      np.testing.assert_allclose(found[t, example], h, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["gru", "gru_before"])
def test_larger_recurrent_weights_change_nothing(float64, name):
  """What is normalised has no scale: up to the epsilon of its variance."""
  params, xs = drawn(CELLS[name])
  larger = params | {
    product: jax.tree.map(lambda leaf: 1000 * leaf, params[product])
    for product, _ in CELLS[name].products
  }
  _, one = unroll(CELLS[name], params, 1 + xs)
  _, other = unroll(CELLS[name], larger, 1 + xs)
  np.testing.assert_allclose(one[1:], other[1:], atol=1e-2)
  plain = GRU(reset_after=CELLS[name].reset_after)
  bare = plain.init(jax.random.key(0), INPUTS, HIDDEN)
  scaled = bare | {product: larger[product] for product, _ in plain.products}
  one, other = (unroll(plain, p, 1 + xs)[1] for p in (bare, scaled))
  assert np.abs(one[1:] - other[1:]).max() > 0.1


def test_biases_stand_behind_the_norms():
  """The same draws as without a norm, of PyTorch's biases and of chrono's."""
  for cell, bare in (
    (GRU(layer_norm=True), GRU()),
    (GRU(reset_after=False, layer_norm=True), GRU(reset_after=False)),
    (Elman(layer_norm=True), Elman()),
  ):
    for initial in (Initial(like="torch"), Initial(chrono=30)):
      if initial.chrono and isinstance(cell, Elman):
        continue
      normed, plain = (
        c.init(jax.random.key(3), INPUTS, HIDDEN, initial) for c in (cell, bare)
      )
      assert "bias" not in normed["input"]
      if isinstance(cell, Elman):
        found = normed["norm"]["bias"]
      else:
        found = jnp.concatenate(
          [normed[f"norm_input_{part}"]["bias"] for part in ("gates", "candidate")]
        )
      np.testing.assert_array_equal(found, plain["input"]["bias"])
      if "bias" in plain.get("hidden", {}):
        np.testing.assert_array_equal(
          normed["norm_hidden_candidate"]["bias"], plain["hidden"]["bias"]
        )
