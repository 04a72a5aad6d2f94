"""How far a run is: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from absl import logging
from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
  """Loss, steps per second and time left of one run."""

  def __init__(self, name: str, start: int, steps: int):
    """Begins at step `start` of `steps`."""
    self._name, self._first, self._steps = name, start, steps
    self._began = self._said = time.monotonic()
    self._bar = None
    if sys.stderr.isatty():
      self._bar = tqdm(
        total=steps, initial=start, desc=name, unit="step", dynamic_ncols=True
      )

  def update(self, step: int, loss: float, error: float) -> None:
    """Shows a step; `loss` and `error` are means over the seeds still running."""
    if self._bar is not None:
      self._bar.set_postfix_str(f"loss {loss:.4g}, error {error:.1%}", refresh=False)
      self._bar.update(step - self._bar.n)
      return
    now = time.monotonic()
    if now - self._said < SECONDS_BETWEEN_LINES and step < self._steps:
      return
    self._said = now
    rate = (step - self._first) / max(now - self._began, 1e-9)
    left = (self._steps - step) / rate if rate else float("inf")
    logging.info(
      "%s: step %d/%d, loss %.4g, error %.1f%%, %.0f steps/s, %.0f s left",
      self._name,
      step,
      self._steps,
      loss,
      100 * error,
      rate,
      left,
    )

  def close(self) -> None:
    """Leaves the bar as it is."""
    if self._bar is not None:
      self._bar.close()
