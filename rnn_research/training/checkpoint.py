"""Saving and going on: Orbax behind three calls.

Kept are the two latest states, each with the position of its data; the best
parameters of every seed are part of the state. Saving runs in the background and is
atomic: a process killed half-way leaves the checkpoint before it.
"""

import logging
import pathlib
from typing import Any

import grain
import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from rnn_research.errors import CheckpointMismatch
from rnn_research.training.state import TrainState

KEPT = 2

# It tells of each save in a dozen lines.
logging.getLogger("absl").setLevel(logging.WARNING)


class Checkpoints:
  """The checkpoints of one run."""

  def __init__(self, folder: pathlib.Path):
    """Opens a folder; makes it if there is none."""
    self._manager = ocp.CheckpointManager(
      folder, options=ocp.CheckpointManagerOptions(max_to_keep=KEPT)
    )

  def latest(self) -> int | None:
    """Step of the newest checkpoint."""
    return self._manager.latest_step()

  def save(self, step: int, state: TrainState, data: Any, config: dict) -> None:
    """Saves in the background.

    Args:
      step: updates made.
      state: of all seeds; it may be donated as soon as this returns.
      data: the data iterator, positioned behind what `state` has seen; or None.
      config: what the state belongs to.
    """
    # Copied: on CPU an array's memory is shared with what is being written.
    state = jax.tree.map(jnp.copy, state)
    items = {
      "state": ocp.args.StandardSave(state),
      "config": ocp.args.JsonSave(config),
    }
    if data is not None:
      items["data"] = grain.checkpoint.CheckpointSave(data)
    self._manager.save(step, args=ocp.args.Composite(**items))

  def restore(self, step: int, state: TrainState, data: Any) -> TrainState:
    """Reads a state into the shapes and places of another; `data` moves in place.

    Raises:
      CheckpointMismatch: the checkpoint is of other shapes, or damaged.
    """
    shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    items = {"state": ocp.args.StandardRestore(shapes)}
    if data is not None:
      items["data"] = grain.checkpoint.CheckpointRestore(data)
    try:
      restored = self._manager.restore(step, args=ocp.args.Composite(**items))
    except (ValueError, KeyError, OSError) as error:
      why = (str(error).splitlines() or [type(error).__name__])[0]
      raise CheckpointMismatch(
        "--workdir",
        f"the checkpoint of step {step} doesn't fit ({why})",
        f"remove checkpoints/{step} to go on from the one before, or start again in"
        " another folder",
      ) from error
    return restored["state"]

  def close(self) -> None:
    """Waits for what is being written."""
    self._manager.wait_until_finished()
    self._manager.close()
