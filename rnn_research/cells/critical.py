"""The recurrent variance at which a tanh network is at the edge of chaos.

In a wide network with Gaussian weights of variance sigma_w^2 / units and an input
W x + b of variance d, what a unit sees is Gaussian, of a variance q that settles at

    q = sigma_w^2 E[tanh(sqrt(q) z)^2] + d,   z ~ N(0, 1)

and one step multiplies a squared gradient on its way back, on average, by

    chi = sigma_w^2 E[tanh'(sqrt(q) z)^2]

(Poole et al. 2016, eq. 3; Schoenholz et al. 2017, eq. 9; for recurrent networks Chen,
Pennington and Schoenholz 2018). At chi = 1 it neither fades nor blows up.
"""

from rnn_research.cells.tanh_moments import tanh_moments

HALVINGS = 60


def critical_spread(drive: float) -> float:
  """sigma_w at which chi = 1.

  Args:
    drive: d. With 0 the answer is 1; the more a drive saturates the units, the
      larger the weights must be.
  """
  if drive == 0:
    return 1.0
  low, high = 0.0, max(1.0, drive)
  while high - _ratio(high) < drive:
    high *= 2
  for _ in range(HALVINGS):
    q = (low + high) / 2
    low, high = (q, high) if q - _ratio(q) < drive else (low, q)
  return tanh_moments(high)[1] ** -0.5


def _ratio(q: float) -> float:
  """E[tanh^2] / E[tanh'^2]: at chi = 1, the part of q that is the recurrence's."""
  squared, slope = tanh_moments(q)
  return squared / slope
