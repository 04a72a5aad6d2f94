"""The law of weight gradients formed piece by piece: they sum over all steps."""

import jax
import jax.numpy as jnp
import pytest

from rnn_research.unroll import outer_products as module
from rnn_research.unroll.outer_products import outer_products
from tests.laws.closeness import assert_close

BATCH, ROWS, COLUMNS = 3, 2, 5


@pytest.mark.parametrize("time", [1, 4, 7, 12, 13])
@pytest.mark.parametrize("steps", [1, 4, 6, 50])
def test_pieces_add_up(float64, monkeypatch, time, steps):
  """One piece, several, with and without a rest, and of single steps."""
  monkeypatch.setattr(module, "LARGE", 0)
  monkeypatch.setattr(module, "PIECE", steps * BATCH * ROWS)
  k = jax.random.split(jax.random.key(0))
  values = jax.random.normal(k[0], (time, BATCH, ROWS))
  cotangents = jax.random.normal(k[1], (time, BATCH, COLUMNS))
  kernel = jnp.zeros((ROWS, COLUMNS))

  def sums(*arguments):  # a function of its own: JAX remembers what it has traced
    return outer_products(*arguments)

  compiled = jax.jit(sums).lower(values, cotangents, kernel)
  found = compiled.compile()(values, cotangents, kernel)
  assert_close(found, jnp.einsum("tbi,tbo->io", values, cotangents), 1e-13)
  assert "while" in compiled.as_text()


@pytest.mark.parametrize(
  "time, most, steps", [(10_000, 64, 50), (13, 4, 4), (12, 5, 4), (5, 0, 1), (7, 9, 7)]
)
def test_pieces_leave_no_rest_where_they_can(time, most, steps):
  assert module._divisor(time, most) == steps
