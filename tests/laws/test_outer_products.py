"""The law of weight gradients from all steps at once: they sum over all of them."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_research.unroll import outer_products as module
from rnn_research.unroll.outer_products import outer_products, sum_of_steps
from tests.laws.closeness import assert_close

BATCH, ROWS, COLUMNS = 4, 2, 5


def factors(time):
  k = jax.random.split(jax.random.key(0))
  values = jax.random.normal(k[0], (time, BATCH, ROWS))
  cotangents = jax.random.normal(k[1], (time, BATCH, COLUMNS))
  return values, cotangents, jnp.zeros((ROWS, COLUMNS))


def compiled(function, arguments):
  def fresh(*arguments):  # a function of its own: JAX remembers what it has traced
    return function(*arguments)

  return jax.jit(fresh).lower(*arguments).compile()


@pytest.mark.parametrize("time", [1, 7, 12])
@pytest.mark.parametrize("large", [0, 1 << 22])
def test_the_product_sums_over_steps_and_examples(float64, monkeypatch, time, large):
  """Both ways to multiply, whose threshold is one of the arguments."""
  monkeypatch.setattr(module, "LARGE", large)
  values, cotangents, kernel = factors(time)
  found = compiled(outer_products, (values, cotangents, kernel))(
    values, cotangents, kernel
  )
  assert_close(found, jnp.einsum("tbi,tbo->io", values, cotangents), 1e-13)


@pytest.mark.parametrize("time", [1, 7])
def test_the_sum_is_over_steps_and_examples(float64, time):
  cotangents = factors(time)[1]
  found = compiled(sum_of_steps, (cotangents,))(cotangents)
  assert_close(found, jnp.einsum("tbo->o", cotangents), 1e-13)


def test_large_factors_are_not_copied(monkeypatch):
  """What a product of them needs besides them and its result."""
  arguments = factors(10_000)
  copied = compiled(outer_products, arguments).memory_analysis()
  monkeypatch.setattr(module, "LARGE", 0)
  left = compiled(outer_products, arguments).memory_analysis()
  assert copied.temp_size_in_bytes >= arguments[0].nbytes
  assert left.temp_size_in_bytes < 1000


def test_a_split_batch_is_not_gathered(monkeypatch):
  """Each device multiplies its examples; what is added up is as large as a kernel."""
  monkeypatch.setattr(module, "LARGE", 0)
  mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
  values, cotangents, kernel = factors(7)
  split = NamedSharding(mesh, P(None, "batch"))
  arguments = (*jax.device_put((values, cotangents), split), kernel)
  program = compiled(outer_products, arguments)
  assert "all-gather" not in program.as_text()
  assert_close(program(*arguments), jnp.einsum("tbi,tbo->io", values, cotangents), 1e-6)
