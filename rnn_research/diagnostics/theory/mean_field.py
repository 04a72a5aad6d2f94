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

from rnn_research.cells import tanh_moments

STEPS = 2000  # towards the fixed point, at most
ROUNDING = 1e-15


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
  if activation == "relu":
    # E[relu(x)^2] = q / 2: half of a Gaussian.
    left = 1 - weight_scale**2 / 2
    variance = input_variance / left if left > 0 else np.inf
    chi = weight_scale**2 / 2
  else:
    variance, before = weight_scale**2 + input_variance, np.inf
    for _ in range(STEPS):
      if abs(variance - before) <= ROUNDING * variance:
        break
      before = variance
      variance = weight_scale**2 * tanh_moments(variance)[0] + input_variance
    chi = weight_scale**2 * tanh_moments(variance)[1]
  rate = float(np.log(chi)) / 2
  return MeanField(variance, chi, rate, 1 / abs(rate) if rate else np.inf)
