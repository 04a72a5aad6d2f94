"""What `diagnose` found, and how it says it in ten lines."""

import dataclasses
import os
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from rnn_research.diagnostics.adjoint import AdjointCurves
from rnn_research.diagnostics.horizon import Horizon
from rnn_research.diagnostics.nonfinite import NOWHERE
from rnn_research.diagnostics.over_examples import Curves
from rnn_research.diagnostics.own.contribution import Contribution

VANISHED = -3.0  # log10 of the gain that the horizon is counted to


class Gains(NamedTuple):
  """Lag gain over the examples, log10; leaves (lags,), but for `sup` lags 0 .. time.

  Attributes:
    loss: of the loss's own gradient; NaN if none reaches the last state.
    rms: root mean square over directions.
    sup: of the direction that keeps most, from below; at `sup_lags`.
    sup_lags: a few, the longest last.
  """

  loss: Curves
  rms: Curves
  sup: Curves
  sup_lags: Int[np.ndarray, "lags"]


@dataclasses.dataclass(frozen=True)
class Diagnosis:
  """Every figure of one batch; NumPy arrays, log10 where said.

  Attributes:
    loss: each example's own.
    reads: steps whose output the loss reads. Where it is more than the last one,
      adjoint and contributions mix lags; the gains and exponents do not.
    state_size: entries of one state.
    adjoint: |dl_b/ds_t| by step, absolute and relative to the last one, log10.
    gain: how much of a gradient is left k steps before the last.
    horizon: of the loss gain at 10^-3; of the rms gain if no loss reaches the state.
    exponents: Lyapunov exponents of each example, nats per step, from the largest.
    contribution: of each lag to the gradient, by slash path of the parameter leaf.
    nonfinite_state: first step, going forward, with a state that is not finite; -1
      for none.
    nonfinite_adjoint: first step, going backward, with such an adjoint.
  """

  loss: Float[np.ndarray, "batch"]
  reads: Bool[np.ndarray, "time"]
  state_size: int
  adjoint: AdjointCurves
  gain: Gains
  horizon: Horizon
  exponents: Float[np.ndarray, "count batch"]
  contribution: dict[str, Contribution]
  nonfinite_state: int
  nonfinite_adjoint: int

  def arrays(self) -> dict[str, np.ndarray]:
    """Every array under the name it has here: `gain/loss/median`."""
    fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    leaves = jax.tree_util.tree_leaves_with_path(fields)
    return {
      jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
      for path, leaf in leaves
    }

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes the arrays to an .npz; `rnn_research.report` draws them."""
    np.savez(path, **self.arrays())

  def __str__(self) -> str:
    """Ten lines, the number first."""
    time, batch = self.reads.size, self.loss.size
    middle, longest = time // 2, self._longest()
    whole = self.contribution["all"]
    rows = [
      ("", f"{batch} examples of {time} steps, a state of {self.state_size} entries"),
      (f"{self.loss.mean():.4g}", f"mean loss; reads {self._read()}"),
      (_power(self.gain.loss.median, longest), self._loss_gain(longest)),
      (_power(self.gain.loss.median, middle), f"the same at lag {middle}"),
      (
        _power(self.gain.rms.median, longest),
        f"rms over directions at lag {longest}; the one that keeps most: {self._sup()}",
      ),
      self._horizon(),
      self._exponents(),
      (f"{whole.truncation_error[middle]:.3g}", self._missed(middle)),
      (
        f"{whole.coherence[middle]:.2g}",
        f"coherence of {batch} examples at lag {middle} (1 all agree, 0 noise)",
      ),
      self._nonfinite(),
    ]
    return "\n".join(f"{number:>11}  {text}" for number, text in rows)

  def _read(self) -> str:
    steps = np.flatnonzero(self.reads)
    if steps.size == 0:
      return "no output, the last carry alone"
    if steps.size == 1:
      return f"the output of step {steps[0]}"
    return f"{steps.size} outputs: adjoint and contributions mix lags"

  def _loss_gain(self, lag: int) -> str:
    curves = self.gain.loss
    if np.isnan(curves.median[0]):
      return "no gradient of the loss reaches the last state"
    low, high = _power(curves.q10, lag), _power(curves.q90, lag)
    return f"of the loss's gradient is left at lag {lag} ({low} to {high})"

  def _longest(self) -> int:
    """The longest lag of any example that has a step before it."""
    known = np.flatnonzero(~np.isnan(self.gain.rms.median))
    return max(int(known[-1]) - 1, 0) if known.size else self.reads.size - 1

  def _sup(self) -> str:
    known = np.flatnonzero(~np.isnan(self.gain.sup.median))
    at = int(known[-1]) if known.size else -1
    return f"{_power(self.gain.sup.median, at)} at lag {self.gain.sup_lags[at]}"

  def _horizon(self) -> tuple[str, str]:
    found = self.horizon
    which = " of the rms gain" if np.isnan(self.gain.loss.median[0]) else ""
    text = f"steps: horizon of 10^{VANISHED:.0f}{which}"
    text += f"; largest gain 10^{found.largest:.2f}"
    return f"> {found.longest}" if found.censored else f"{found.lag:.0f}", text

  def _exponents(self) -> tuple[str, str]:
    mean, deviation = self.exponents.mean(-1), self.exponents.std(-1)
    rest = " ".join(f"{value:.3f}" for value in mean[1:])
    text = f"nats a step: largest exponent (SD {deviation[0]:.3f})"
    return f"{mean[0]:.3f}", text + (f", then {rest}" if rest else "")

  def _missed(self, lag: int) -> str:
    """What a truncation loses, if the place of a step is how far its gradient came."""
    if len(self.contribution) == 1:
      return "no parameters were given, so no gradient to take apart"
    rest = f"cosine {self.contribution['all'].cosine[lag]:.3g}"
    rest += f"; most in {self._most_missed(lag)}"
    if not self.reads[:-1].any():
      return f"of the gradient is missed by TBPTT({lag}), {rest}"
    return f"of the gradient is of steps {lag} and more before the end, {rest}"

  def _most_missed(self, lag: int) -> str:
    errors = {
      name: found.truncation_error[lag]
      for name, found in self.contribution.items()
      if name != "all" and np.isfinite(found.truncation_error[lag])
    }
    if not errors:
      return "no leaf"
    name = max(errors, key=errors.get)
    return f"{name} ({errors[name]:.3g})"

  def _nonfinite(self) -> tuple[str, str]:
    found = self.nonfinite_state, self.nonfinite_adjoint
    if found == (NOWHERE, NOWHERE):
      return "0", "states and adjoints that are not finite"
    forward, backward = ("never" if at == NOWHERE else f"step {at}" for at in found)
    return "not finite", f"first state: {forward}; first adjoint: {backward}"


def _power(log10: Float[np.ndarray, "lags"], lag: int) -> str:
  return f"10^{log10[lag]:.2f}"
