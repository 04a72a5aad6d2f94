"""Handwritten digits read pixel by pixel, 64 steps."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from rnn_research.data.dataset import Dataset
from rnn_research.problem import Batch, Problem

FORMS = ("many_to_one", "one_to_many")

_PIXELS = 64
_CLASSES = 10
_BRIGHTEST = 16  # pixels are counts from 0 to 16
_TOLERANCE = 0.04  # a drawn pixel off by more than 0.2 is wrong


def make_builder(folder: str) -> Any:
  """The tensorflow-datasets builder that writes and finds the digits."""
  # tensorflow-datasets is slow to import, and synthetic tasks don't need it.
  from rnn_research.data.datasets.digits import digits_dataset_builder

  return digits_dataset_builder.Builder(data_dir=folder, file_format="array_record")


def read(builder: Any, form: str) -> Dataset:
  """Reads the prepared digits, pixels scaled to [0, 1].

  `many_to_one`: name the digit after its 64 pixels, row by row from the top
  left. Chance is what the class frequencies of the training images get on the
  test images; they are nearly even, so close to ln 10 nats and 9/10 wrong.

  `one_to_many`: draw a digit pixel by pixel. The context is the one-hot label,
  the input at a step is the pixel before (0 at the first), the target the pixel
  itself. Chance is what the mean training image gets on the test images; a
  digit is wrong if any of its pixels is off by more than 0.2.
  """
  train, test = (_pixels_and_labels(builder, s) for s in ("train", "test"))
  make = _classify if form == "many_to_one" else _draw
  return make(train, test)


def _pixels_and_labels(
  builder: Any, split: str
) -> tuple[Float[np.ndarray, "time batch"], Int[np.ndarray, "batch"]]:
  source = builder.as_data_source(split)
  examples = source.__getitems__(range(len(source)))
  images = np.stack([example["image"] for example in examples])
  # What jax computes in: float64 and int64 where those are switched on.
  real = jax.dtypes.canonicalize_dtype(np.float64)
  integer = jax.dtypes.canonicalize_dtype(np.int64)
  pixels = images.reshape(-1, _PIXELS).T.astype(real) / _BRIGHTEST
  labels = np.array([example["label"] for example in examples], integer)
  return np.ascontiguousarray(pixels), labels


def _classify(train, test) -> Dataset:
  shares = np.bincount(train[1], minlength=_CLASSES) / train[1].size
  problem = Problem(
    name="digits",
    form="many_to_one",
    length=_PIXELS,
    input_size=1,
    output_size=_CLASSES,
    loss="cross_entropy",
    tolerance=0.0,
    chance_loss=float(-np.log(shares[test[1]]).mean()),
    chance_error=float((test[1] != shares.argmax()).mean()),
  )

  def as_batch(pixels, labels) -> Batch:
    weights = np.ones(labels.shape, pixels.dtype)
    return Batch(pixels[..., None], labels, weights)

  return Dataset(problem, as_batch(*train), as_batch(*test))


def _draw(train, test) -> Dataset:
  squared = (test[0] - train[0].mean(axis=1, keepdims=True)) ** 2
  problem = Problem(
    name="digits",
    form="one_to_many",
    length=_PIXELS,
    input_size=1,
    output_size=1,
    loss="squared_error",
    tolerance=_TOLERANCE,
    chance_loss=float(squared.mean()),
    chance_error=float((squared > _TOLERANCE).any(axis=0).mean()),
  )

  def as_batch(pixels, labels) -> Batch:
    before = np.concatenate([np.zeros_like(pixels[:1]), pixels[:-1]])
    return Batch(
      inputs=before[..., None],
      targets=pixels[..., None],
      weights=np.ones_like(pixels),
      context=np.eye(_CLASSES, dtype=pixels.dtype)[labels],
    )

  return Dataset(problem, as_batch(*train), as_batch(*test))
