"""Keras layers in double precision on its PyTorch backend, padded by a mask."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402  the backend is chosen by the line above
import torch  # noqa: E402
from keras.src.backend.common import dtypes  # noqa: E402

from tests.oracles.cases import HIDDEN, TIME  # noqa: E402

# Whatever the dtype policy, Keras multiplies in float32 unless this table allows it.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

LAYERS = {
  "keras_rnn": (keras.layers.SimpleRNN, {}),
  "keras_gru": (keras.layers.GRU, {"reset_after": True}),
  "keras_gru_before": (keras.layers.GRU, {"reset_after": False}),
  "keras_lstm": (keras.layers.LSTM, {}),
}


def run(case, weights, xs, carry, lengths):
  """(outputs, last carry); the layer's own variables are the weights given."""
  make, options = LAYERS[case.kind]
  layer = make(
    HIDDEN, return_sequences=True, return_state=True, dtype="float64", **options
  )
  batch_major = xs.transpose(0, 1)
  layer.build(batch_major.shape)
  mask = torch.arange(TIME)[None] < lengths[:, None]
  names = [v.name for v in layer.trainable_variables]
  start = [carry[leaf][0] for leaf in ("hidden", "memory") if leaf in carry]
  values = [weights[f"{name}_l0"] for name in names]
  (outputs, *last), _ = layer.stateless_call(
    values,
    [v.value for v in layer.non_trainable_variables],
    batch_major,
    initial_state=start,
    mask=mask,
  )
  # Keras repeats the last output on padding.
  outputs = torch.where(mask[..., None], outputs, 0).transpose(0, 1)
  leaves = zip(("hidden", "memory"), last, strict=False)
  return outputs, {leaf: value[None] for leaf, value in leaves}
