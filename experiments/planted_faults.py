"""Faults for benchmarks of the alarms: the one place where a trainer is broken.

  with planted("uphill"):
    start(config, folder).train()

Each fault takes the place of one function that the train step calls, for as long as
the block lasts; the library itself has no switch for any of them. What is inspected,
evaluated and diagnosed stays sound, and so do the records: they say what was done.
"""

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_research.training import objective, step
from rnn_research.training.advance import compile_advance
from rnn_research.training.autopsy import compile_autopsy

STEP_FACTOR = 30.0
REACH = 3
BROKEN_AT = 100


class Fault(NamedTuple):
  """One way to break a train step.

  Attributes:
    module: where the train step looks for the function.
    function: its name there.
    wrap: makes the broken function of the sound one.
  """

  module: types.ModuleType
  function: str
  wrap: Callable[[Callable[..., Any]], Callable[..., Any]]


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
  """Trains wrongly inside the block, in the way of that name in `FAULTS`."""
  fault = FAULTS[name]
  sound = getattr(fault.module, fault.function)
  # Compiled programs are kept by their description, which doesn't know of the fault.
  _forget_programs()
  setattr(fault.module, fault.function, fault.wrap(sound))
  try:
    yield
  finally:
    setattr(fault.module, fault.function, sound)
    _forget_programs()


def _forget_programs() -> None:
  """Drops the compiled programs that a train step is part of."""
  compile_advance.cache_clear()
  compile_autopsy.cache_clear()


def _hold_recurrent(tree, held):
  """The tree with `held(leaf)` in place of every recurrent kernel."""

  def leaf_of(path, leaf):
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    return held(leaf) if name.endswith("hidden/kernel") else leaf

  return jax.tree_util.tree_map_with_path(leaf_of, tree)


def _with_hyper(change):
  """Another learning rate or clip bound than the config's."""

  def wrap(apply_update):
    def broken(rule, kind, hyper, *rest):
      return apply_update(rule, kind, change(hyper), *rest)

    return broken

  return wrap


def _forgetful(apply_update):
  """The optimizer begins anew at every step."""

  def broken(rule, kind, hyper, gradient, rule_state, params, project):
    anew = rule.init(params)
    return apply_update(rule, kind, hyper, gradient, anew, params, project)

  return broken


def _held(apply_update):
  """The recurrent kernels stay as they were drawn."""

  def broken(rule, kind, hyper, gradient, rule_state, params, project):
    applied = apply_update(rule, kind, hyper, gradient, rule_state, params, project)
    update = _hold_recurrent(applied.update, jnp.zeros_like)
    return applied._replace(params=jax.tree.map(jnp.add, params, update), update=update)

  return broken


def _without_gradient(forward):
  """The recurrent kernels are constants of the loss."""

  def broken(program, model, params, taps, batch, key):
    params = _hold_recurrent(params, jax.lax.stop_gradient)
    return forward(program, model, params, taps, batch, key)

  return broken


def _cut(forward):
  """The gradient goes back a few steps and no further."""

  def broken(program, model, params, taps, batch, key):
    layers = model.stacked.clone(truncation=(REACH, REACH), segment_levels=0)
    model = model.clone(stacked=layers)
    return forward(program, model, params, taps, batch, key)

  return broken


def _repeated(next_batch):
  """The first batch, at every step."""

  def broken(program, state, given):
    return next_batch(program, state._replace(step=jnp.zeros_like(state.step)), given)

  return broken


def _shuffled(next_batch):
  """Every example with the targets of the next one."""

  def broken(program, state, given):
    batch = next_batch(program, state, given)
    axis = batch.weights.ndim - 1
    return batch._replace(targets=jnp.roll(batch.targets, 1, axis))

  return broken


def _blank(next_batch):
  """Inputs that say nothing."""

  def broken(program, state, given):
    batch = next_batch(program, state, given)
    return batch._replace(inputs=jnp.zeros_like(batch.inputs))

  return broken


def _not_a_number(next_batch):
  """Inputs that are not finite, from one step on."""

  def broken(program, state, given):
    batch = next_batch(program, state, given)
    return batch._replace(
      inputs=jnp.where(state.step < BROKEN_AT, batch.inputs, jnp.nan)
    )

  return broken


FAULTS = {
  "frozen": Fault(
    step,
    "apply_update",
    _with_hyper(lambda h: h._replace(learning_rate=0 * h.learning_rate)),
  ),
  "held_leaf": Fault(step, "apply_update", _held),
  "no_leaf_gradient": Fault(objective, "forward", _without_gradient),
  "cut": Fault(objective, "forward", _cut),
  "uphill": Fault(
    step,
    "apply_update",
    _with_hyper(lambda h: h._replace(learning_rate=-h.learning_rate)),
  ),
  "no_clip": Fault(
    step, "apply_update", _with_hyper(lambda h: h._replace(clip_bound=jnp.inf))
  ),
  "step_size": Fault(
    step,
    "apply_update",
    _with_hyper(lambda h: h._replace(learning_rate=STEP_FACTOR * h.learning_rate)),
  ),
  "forgetful": Fault(step, "apply_update", _forgetful),
  "repeated": Fault(step, "next_batch", _repeated),
  "shuffled": Fault(step, "next_batch", _shuffled),
  "blank": Fault(step, "next_batch", _blank),
  "not_a_number": Fault(step, "next_batch", _not_a_number),
}
