"""What a linear classifier gets that sees a whole sequence at once."""

import time
from typing import NamedTuple

import numpy as np

from rnn_research.data.dataset import Dataset
from rnn_research.problem import Batch


class LinearBaseline(NamedTuple):
  """The held-out result of a linear classifier.

  Attributes:
    name: what it is, for a table.
    test_error: wrong fraction of the test split.
    examples: size of the test split.
    seconds: wall time of fitting and predicting.
  """

  name: str
  test_error: float
  examples: int
  seconds: float


def fit_linear_baseline(dataset: Dataset) -> LinearBaseline:
  """Fits multinomial logistic regression on the training split, and tests it.

  All steps of a sequence are the features, so the classifier has nothing to
  remember. Scikit-learn's defaults (L2 penalty, C = 1, L-BFGS), nothing tuned;
  the result is the same on every call.

  Args:
    dataset: a many-to-one classification without variable lengths.
  """
  # Imported here: only this function needs scikit-learn.
  from sklearn.linear_model import LogisticRegression

  started = time.monotonic()
  model = LogisticRegression(max_iter=1000)
  model.fit(_features(dataset.train), dataset.train.targets)
  wrong = model.predict(_features(dataset.test)) != dataset.test.targets
  return LinearBaseline(
    name="linear classifier on the whole image",
    test_error=float(wrong.mean()),
    examples=int(wrong.size),
    seconds=time.monotonic() - started,
  )


def _features(split: Batch) -> np.ndarray:
  """All steps of an example side by side: (examples, time * features)."""
  steps, examples, features = split.inputs.shape
  return split.inputs.swapaxes(0, 1).reshape(examples, steps * features)
