"""What is set before JAX starts."""

import os

import pytest

from rnn_research.training.devices import use_wide_vectors


@pytest.mark.parametrize(
  ("given", "wanted"),
  [
    (None, "--xla_cpu_prefer_vector_width=512"),
    ("--xla_dump_to=x", "--xla_dump_to=x --xla_cpu_prefer_vector_width=512"),
    ("--xla_cpu_prefer_vector_width=128", "--xla_cpu_prefer_vector_width=128"),
  ],
)
def test_a_width_of_the_user_is_kept(monkeypatch, given, wanted):
  monkeypatch.delenv("XLA_FLAGS", raising=False)
  if given:
    monkeypatch.setenv("XLA_FLAGS", given)
  use_wide_vectors()
  use_wide_vectors()
  assert os.environ["XLA_FLAGS"] == wanted
