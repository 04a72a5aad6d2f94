"""The edge of a study: its flags, and what is frozen."""

import pytest
from absl import flags

import experiments.depth_and_norm
import experiments.gradient_flow  # noqa: F401
from rnn_research.errors import UserError
from rnn_research.study import Arm, Plan, freeze
from tests.small_run import make_config


@pytest.mark.parametrize(
  "name, value, problem",
  [
    ("lengths", ["30", "abc"], "'abc' is no int"),
    ("lengths", [], "it is empty"),
    ("input_scales", ["x"], "'x' is no float"),
    ("cells", [], "it is empty"),
    ("stacked", [], "it is empty"),
    ("workdir", "", "it is empty"),
  ],
)
def test_a_list_that_means_nothing_is_refused_by_its_flag(name, value, problem):
  """In the words that `command` cuts its line from."""
  flag = flags.FLAGS[name]
  before = flag.value
  try:
    with pytest.raises(flags.IllegalFlagValueError, match=problem) as caught:
      setattr(flags.FLAGS, name, value)
  finally:
    flag.value = before
  assert str(caught.value).startswith(f"flag --{name}=")


def test_no_protocol_is_frozen_for_an_arm_that_cannot_be_run(tmp_path):
  """A length that only its task finds too short."""
  arm = Arm("a", "a", "synthetic", None, None, make_config({"task.length": 1}))
  with pytest.raises(UserError, match="length"):
    freeze(tmp_path / "study", Plan("title", "question", [arm], {}, [], []))
  assert not (tmp_path / "study").exists()
