"""Numbers as words: how the page writes gains, rates, intervals and lists."""

import math
from collections.abc import Sequence

import numpy as np

from rnn_research.report.statistics import Interval

NONE = "no value"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 2) -> str:
  """A number with fixed decimals and a true minus sign; `no value` for NaN."""
  if not math.isfinite(value):
    return NONE
  text = f"{value:.{digits}f}"
  if float(text) == 0:
    text = text.lstrip("-")
  return text.replace("-", "−")


def interval(value: Interval, digits: int = 2) -> str:
  """`mean [low, high]`; only the mean where there is no interval."""
  if not math.isfinite(value.low):
    return number(value.mean, digits)
  ends = f"{number(value.low, digits)}, {number(value.high, digits)}"
  return f"{number(value.mean, digits)} [{ends}]"


def quantity(value: float) -> str:
  """A positive size to three digits; with a power of ten from 100,000 on."""
  if not math.isfinite(value):
    return NONE
  if value < 1e5:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
  power = int(math.floor(math.log10(value)))
  return f"{value / 10**power:.1f} × 10" + str(power).translate(_RAISED)


def small(value: float) -> str:
  """A share that may be tiny: two significant digits, a power of ten below 0.01."""
  if not math.isfinite(value):
    return NONE
  if value == 0 or abs(value) >= 0.01:
    return number(value, 2)
  power = math.floor(math.log10(abs(value)))
  raised = ("⁻" if power < 0 else "") + str(abs(power)).translate(_RAISED)
  return f"{number(value / 10**power, 1)} × 10{raised}"


def percent(rate: float, digits: int = 0) -> str:
  """A rate in percent."""
  return f"{number(100 * rate, digits)}%" if math.isfinite(rate) else NONE


def p_value(p: float) -> str:
  """A p value to three digits, `< 0.001` below."""
  return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def portion(decades: float) -> str:
  """A log10 gain as the part of a gradient that is left: `1/80,000`.

  Two significant digits; `all` within 5% of 1, a factor above it, a whole power
  of ten past a billion and a billionth.
  """
  if not math.isfinite(decades):
    return NONE
  if abs(decades) < math.log10(1.05):
    return "all"
  if decades > 9:
    return "10" + str(round(decades)).translate(_RAISED) + " times as much"
  if decades > 0:
    return f"{_two_digits(10**decades)} times as much"
  if decades < -9:
    return "10⁻" + str(round(-decades)).translate(_RAISED)
  if decades < -6:
    return f"1/{_two_digits(10 ** (-decades - 6))} million"
  return f"1/{_two_digits(10**-decades)}"


def steps(value: float) -> str:
  """A train step, `not reached` for infinity."""
  if math.isnan(value):
    return NONE
  return "not reached" if math.isinf(value) else f"{value:,.0f}"


def duration(seconds: float) -> str:
  """Seconds, as minutes from 100 s and hours from 100 min."""
  if seconds < 100:
    return f"{seconds:.0f} s"
  if seconds < 6000:
    return f"{seconds / 60:.0f} min"
  return f"{seconds / 3600:.1f} h"


def listing(parts: Sequence[str]) -> str:
  """`a, b and c`."""
  if len(parts) < 2:
    return "".join(parts)
  return f"{', '.join(parts[:-1])} and {parts[-1]}"


def plural(count: int, noun: str) -> str:
  """`1 run`, `2 runs`."""
  return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _two_digits(value: float) -> str:
  rounded = float(np.format_float_positional(value, 2, fractional=False))
  return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
