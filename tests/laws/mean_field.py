"""Mean field of a wide tanh network by adaptive quadrature."""

import numpy as np
from scipy import integrate, optimize


def gaussian_mean(function):
  """E[f(z)] over a standard normal z, adaptively."""

  def weighted(z):
    return function(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

  halves = (integrate.quad(weighted, *ends, limit=400) for ends in ((-12, 0), (0, 12)))
  return sum(value for value, _ in halves)


def fixed_point(spread, drive):
  """The variance that q = spread^2 E[tanh^2] + drive settles at, by a root finder."""

  def step(q):
    return spread**2 * gaussian_mean(lambda z: np.tanh(np.sqrt(q) * z) ** 2) + drive

  # A concave map's positive fixed point: above the drive, below its largest value.
  return optimize.brentq(lambda q: step(q) - q, 1e-3, drive + spread**2 + 1, xtol=1e-14)


def chi(spread, drive):
  """Growth of a squared gradient per step, from its definition."""
  q = fixed_point(spread, drive)
  return spread**2 * gaussian_mean(lambda z: np.cosh(np.sqrt(q) * z) ** -4)
