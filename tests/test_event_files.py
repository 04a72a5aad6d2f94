"""Event files: what a viewer reads is the median of the seeds that have a number."""

import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from rnn_research.training.event_files import EventFiles

ROWS = [
  {"step": 0, "loss": np.array([3.0, 1.0, 2.0, 9.0]), "seconds": 0.5},
  {
    "step": 25,
    "loss": np.array([np.inf, 1.0, np.nan, 2.0]),
    "gain": np.array([-np.inf, np.nan, 7.0, np.nan], np.float32),
    "never": np.full(4, np.nan),
    "seconds": 1.5,
  },
]


def read_events(folder):
  """Every event of the only file: a length, its checksum, the event, its checksum."""
  (file,) = folder.iterdir()
  content, place, events = file.read_bytes(), 0, []
  while place < len(content):
    (length,) = struct.unpack_from("<Q", content, place)
    events.append(Event.FromString(content[place + 12 : place + 12 + length]))
    place += 12 + length + 4
  return events


def scalars(folder):
  return {
    (event.step, value.tag): value.simple_value
    for event in read_events(folder)
    for value in event.summary.value
  }


def test_a_row_is_read_back_as_medians_of_what_is_finite(tmp_path):
  files = EventFiles(tmp_path, 0)
  for row in ROWS:
    files.write(row)
  files.close()
  assert scalars(tmp_path) == {
    (0, "loss"): 2.5,
    (0, "seconds"): 0.5,
    (25, "loss"): 1.5,
    (25, "gain"): 7.0,
    (25, "seconds"): 1.5,
  }


@pytest.mark.parametrize("seeds", [1, 2, 3, 8])
def test_medians_are_those_of_numpy(tmp_path, seeds):
  values = np.random.default_rng(seeds).normal(size=(20, seeds)).astype(np.float32)
  files = EventFiles(tmp_path, 0)
  files.write({"step": 3, **{f"x/{n}": row for n, row in enumerate(values)}})
  files.close()
  found = scalars(tmp_path)
  for n, row in enumerate(values):
    np.testing.assert_allclose(found[3, f"x/{n}"], np.median(row), rtol=1e-6)


def test_a_resumed_run_hides_what_came_after(tmp_path):
  EventFiles(tmp_path, 50).close()
  assert [e.step for e in read_events(tmp_path) if e.HasField("session_log")] == [50]
