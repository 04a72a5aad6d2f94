"""Writes the digits of scikit-learn's wheel as a tensorflow-datasets set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

_TEST_SIZE = 360


class Builder(tfds.core.GeneratorBasedBuilder):
  """1,797 images of 8 x 8 pixels; 1,437 to train on, 360 to test.

  The split is fixed: the rows are permuted once, by numpy's `RandomState(0)`,
  whose stream never changes, and the last 360 are the test images. An example
  holds its row in scikit-learn's table.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "The first version."}

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          "image": tfds.features.Tensor(shape=(8, 8), dtype=np.uint8),
          "label": tfds.features.ClassLabel(num_classes=10),
          "row": tfds.features.Scalar(dtype=np.int32),
        }
      ),
      supervised_keys=("image", "label"),
      homepage="https://doi.org/10.24432/C50P49",
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
    del dl_manager  # nothing is downloaded
    # Imported here: reading what was prepared doesn't need scikit-learn.
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    train, test = order[:-_TEST_SIZE], order[-_TEST_SIZE:]
    return {
      "train": self._generate_examples(digits, train),
      "test": self._generate_examples(digits, test),
    }

  def _generate_examples(
    self, digits: Any, rows: np.ndarray
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in rows.tolist():
      yield (
        row,
        {
          "image": digits.images[row].astype(np.uint8),
          "label": int(digits.target[row]),
          "row": row,
        },
      )
