"""A finished run measured once more, written into its folder.

diagnosis.json               each figure at the start and at the end, one value a seed
arrays/diagnosis/STEP.npz    its curves, by lag, step or unit, at either end
"""

import dataclasses
import json
from typing import Any

import jax
import numpy as np

from rnn_research.config import Config
from rnn_research.training.optimizer import make_hyper
from rnn_research.training.program import make_program
from rnn_research.training.random_keys import seed_keys
from rnn_research.training.run import Run
from rnn_research.training.run_directory import describe_environment, write_json
from rnn_research.training.state import make_state
from rnn_research.verdict.measure import (
  lag_of,
  make_instruments,
  measure_by_lag,
  measure_gain,
  measure_memory,
  measure_signal,
  measure_time_scales,
)
from rnn_research.verdict.parameters import both_ends
from rnn_research.verdict.tries import tries

FILE = "diagnosis.json"


def diagnose(run: Run) -> dict[str, Any]:
  """Measures a finished run at both ends and tries other starts; reads it if done.

  Args:
    run: finished; its source is closed behind it.

  Returns:
    The content of `diagnosis.json`.
  """
  file = run.directory.path / FILE
  if file.exists():
    run.source.close()
    return json.loads(file.read_text())
  try:
    content = measure_ends(run)
    content["tries"] = _tries(run)
  finally:
    run.source.close()
  write_json(file, content)
  return json.loads(file.read_text())


def measure_ends(run: Run) -> dict[str, Any]:
  """The figures of the initial and of the final networks; writes their curves.

  Args:
    run: finished.
  """
  ends = both_ends(run)
  own = make_instruments(run, ends.initial)
  steps = {"initial": 0, "final": ends.step}
  content: dict[str, Any] = {
    "layer": own.layer,
    "lag": lag_of(own),
    "parameters": _size(ends.initial),
    "steps": steps,
    "environment": describe_environment(run.layout.devices, run.layout.platform),
  }
  for name, params in (("initial", ends.initial), ("final", ends.final)):
    gain, memory = measure_gain(own, params), measure_memory(own, params)
    content[name] = {
      "gain": gain["gain"],
      "signal": measure_signal(own, params)._asdict(),
      "memory": None if memory is None else _without(memory, "distance"),
    }
    arrays = {"curve": gain["curve"]}
    by_lag = measure_by_lag(own, params)
    content[name]["coherence"] = None
    if by_lag is not None:
      arrays |= by_lag
      # Where no step is a known event, the longest lag with a state behind it.
      at = -2 if content["lag"] is None else content["lag"]
      content[name]["coherence"] = {
        figure: by_lag[figure][:, at] for figure in ("coherence", "standard_error")
      }
    scales = measure_time_scales(own, params)
    if scales is not None:
      arrays["time_scale"] = scales
    if memory is not None:
      arrays["distance"] = memory["distance"]
    run.directory.write_arrays("diagnosis", steps[name], arrays)
  return content


def _tries(run: Run) -> list[dict[str, Any]]:
  """The gain of every other start, measured and not trained."""
  config = run.config
  own = make_instruments(run, _initial(run, config))
  found = []
  for entry in tries(config, run.source.problem.length):
    params = _initial(run, _turned(config, entry.init))
    found.append(
      {
        "knob": entry.knob,
        "value": entry.value,
        "setting": entry.setting,
        "gain": measure_gain(own, params)["gain"],
      }
    )
  return found


def _turned(config: Config, init: Any) -> Config:
  return dataclasses.replace(config, model=dataclasses.replace(config.model, init=init))


def _initial(run: Run, config: Config) -> Any:
  """Parameters that a run of that config would begin with."""
  program = make_program(config, run.source.problem, run.source.task, run.layout)
  keys = seed_keys(config.seed, config.seeds)
  example = run.source.shapes(config.train.batch)
  return make_state(program, keys, make_hyper(config), example).params


def _size(params: Any) -> int:
  """Entries of one seed's parameters."""
  return sum(int(np.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(params))


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
  return {key: value for key, value in values.items() if key != name}
