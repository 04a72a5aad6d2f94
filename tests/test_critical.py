"""The critical initialisation: chi = 1, by other quadrature and in a wide network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_research.cells import Elman, Initial
from rnn_research.cells.critical import critical_spread
from tests.laws.mean_field import chi


@pytest.mark.parametrize("drive", [1e-3, 1 / 6, 1.0, 10.0, 100.0])
def test_chi_is_one(drive):
  spread = critical_spread(drive)
  np.testing.assert_allclose(chi(spread, drive), 1, atol=1e-7)
  assert chi(0.95 * spread, drive) < 0.99
  assert chi(1.05 * spread, drive) > 1.01


def test_without_a_drive_the_linear_network_decides():
  assert critical_spread(0.0) == 1
  # Near it, q = (3 d / 4)^(1/3) and sigma_w^2 = 1 + 2 q, to first order.
  np.testing.assert_allclose(critical_spread(1e-9) ** 2 - 1, 2 * 9.086e-4, rtol=2e-3)


def growth(drive, gain):
  """Logarithm of a squared gradient's growth a step in a driven network of 1,000."""
  units, steps, burn = 1000, 60, 20
  initial = Initial(recurrent="critical", drive=drive, gain=gain)
  kernel = Elman().init(jax.random.key(0), 1, units, initial)["hidden"]["kernel"]
  random = np.random.default_rng(0)
  weights, h = np.asarray(kernel, float), np.zeros(units)
  slopes = []
  for _ in range(steps):
    h = np.tanh(h @ weights + np.sqrt(drive) * random.standard_normal(units))
    slopes.append(1 - h**2)
  gradient, total = random.standard_normal((units, 8)), 0.0
  for slope in slopes[:burn:-1]:
    gradient = weights @ (slope[:, None] * gradient)
    norm = np.linalg.norm(gradient)
    gradient, total = gradient / norm, total + 2 * np.log(norm)
  return (total - 2 * np.log(np.sqrt(units * 8))) / (steps - 1 - burn)


def test_a_gradient_keeps_its_size_in_a_wide_network():
  """chi, as far as a network of 1,000 shows it; a wrong spread shows far more."""
  for drive in (1 / 6, 1.0):
    assert abs(growth(drive, 1.0)) < 0.04
    assert growth(drive, 1.25) > 0.1
    assert growth(drive, 0.8) < -0.1


def test_the_draw_is_gaussian_and_scaled():
  plain, critical = (
    Elman().init(jax.random.key(2), 3, 6, initial)
    for initial in (
      Initial(recurrent="gaussian", gain=0.5),
      Initial(recurrent="critical", drive=0.7, gain=0.5),
    )
  )
  wanted = critical_spread(0.7) * plain["hidden"]["kernel"]
  np.testing.assert_allclose(critical["hidden"]["kernel"], wanted, rtol=1e-6)
  assert jnp.array_equal(critical["input"]["kernel"], plain["input"]["kernel"])


def test_a_normal_draw_has_the_gain_as_its_spread():
  """Whatever the size, unlike Gaussian's."""
  for units in (100, 300):
    initial = Initial(recurrent="normal", gain=0.1)
    kernel = Elman().init(jax.random.key(1), 1, units, initial)["hidden"]["kernel"]
    np.testing.assert_allclose(np.std(kernel), 0.1, rtol=0.02)
