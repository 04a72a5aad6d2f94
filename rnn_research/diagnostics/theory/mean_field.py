"""Mean field of a wide Elman network with Gaussian weights and random input.

Weights of variance sw^2 / N, and an input that adds to each unit an independent
Gaussian of variance su^2 at every step. For N -> infinity (Sompolinsky et al. 1988;
Schoenholz et al. 2017; Chen, Pennington and Schoenholz 2018):

    q   = sw^2 E[phi(sqrt(q) z)^2] + su^2     variance of what a unit receives
    chi = sw^2 E[phi'(sqrt(q) z)^2]           mean square factor of a gradient, a step

so the rms curve of the lag gain has the slope ln(chi) / 2. Typical gradients fade
faster, and chi = 1 is no isometry: singular values spread all the same.
"""

from typing import NamedTuple

import numpy as np

POINTS = 101  # of the Gauss-Hermite rule, exact to rounding for tanh here
STEPS = 2000


class MeanField(NamedTuple):
  """Prediction for a wide network.

  Attributes:
    variance: q, of what a unit receives.
    chi: growth of a squared gradient per step.
    rate: ln(chi) / 2, slope of the rms curve in nats per step.
    depth: 2 / |ln chi|, steps in which an amplitude changes by e.
  """

  variance: float
  chi: float
  rate: float
  depth: float


def mean_field(
  weight_scale: float, input_variance: float, activation: str = "tanh"
) -> MeanField:
  """The fixed point that the variance is drawn to, and what a gradient does there.

  Args:
    weight_scale: sw, the gain of Gaussian recurrent weights.
    input_variance: su^2, of the input (and of biases) that each unit receives.
    activation: "tanh" or "relu"; relu has no fixed point from sw = sqrt(2) on, and
      its variance is then infinite (chi is sw^2 / 2 all the same).
  """
  nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
  weights = weights / weights.sum()

  def average(function, variance):
    return float(weights @ function(np.sqrt(variance) * nodes))

  if activation == "relu":
    # E[relu(x)^2] = q / 2: half of a Gaussian, and a kink that the rule can't see.
    left = 1 - weight_scale**2 / 2
    variance = input_variance / left if left > 0 else np.inf
    chi = weight_scale**2 / 2
  else:
    variance = weight_scale**2 + input_variance
    for _ in range(STEPS):
      variance = weight_scale**2 * average(_tanh_square, variance) + input_variance
    chi = weight_scale**2 * average(_tanh_slope_square, variance)
  rate = float(np.log(chi)) / 2
  return MeanField(variance, chi, rate, 1 / abs(rate) if rate else np.inf)


def _tanh_square(x):
  return np.tanh(x) ** 2


def _tanh_slope_square(x):
  return np.cosh(x) ** -4.0
