"""What a model is asked to do: the facts of a problem, and one batch of it."""

from typing import Literal, NamedTuple

from jaxtyping import Bool, Float, Int, Num, Real

from rnn_research.array_types import Array

Form = Literal["many_to_one", "many_to_many", "one_to_many", "encoder_decoder"]
LossName = Literal["cross_entropy", "squared_error"]


class Problem(NamedTuple):
  """The facts of a task or a data set that decide the model's ends and its loss.

  Attributes:
    name: as in `task.name` or `data.name`.
    form: how inputs and outputs are aligned.
    length: the longest time axis of `Batch.inputs`.
    input_size: features of one input step.
    output_size: classes, or predicted numbers.
    loss: `cross_entropy` (integer targets) or `squared_error` (float targets).
    tolerance: for `squared_error`, a squared error above it is wrong; else 0.
    chance_loss: loss per supervised position of the best predictor that ignores
      what has to be remembered (nats, or squared error).
    chance_error: its fraction of wrong sequences.
  """

  name: str
  form: Form
  length: int
  input_size: int
  output_size: int
  loss: LossName
  tolerance: float
  chance_loss: float
  chance_error: float


class Batch(NamedTuple):
  """One batch, time-major; a field that a problem has no use for is None.

  Attributes:
    inputs: what the network reads; for `one_to_many` the condition is in `context`
      and `inputs` are the shifted targets.
    targets: int classes or float values. (batch,) for `many_to_one` classes,
      (batch, outputs) for `many_to_one` values; with a leading time axis else.
    weights: 1 where the loss counts, 0 where not; (batch,) or (time, batch), the
      axes of one target. Losses divide by their sum and by nothing else.
    lengths: valid steps of each example; None means all of them.
    events: the step of each marked input, 0-based, ascending; the lag of event e
      is (last valid step) - events[:, e].
    resets: True where a new sequence starts inside a packed row.
    decoder_inputs: int tokens that a decoder reads under teacher forcing, the
      start token first.
    context: what conditions the whole sequence (a label, an encoded image).
  """

  inputs: Float[Array, "time batch features"]
  targets: Num[Array, "..."]
  weights: Float[Array, "..."]
  lengths: Int[Array, "batch"] | None = None
  events: Int[Array, "batch events"] | None = None
  resets: Bool[Array, "time batch"] | None = None
  decoder_inputs: Int[Array, "steps batch"] | None = None
  context: Real[Array, "batch context"] | None = None


def example_axes(batch: Batch) -> Batch:
  """The axis along which each field's examples lie; None where there is no field."""
  target = batch.weights.ndim - 1
  axes = Batch(
    inputs=1,
    targets=target,
    weights=target,
    lengths=0,
    events=0,
    resets=1,
    decoder_inputs=1,
    context=0,
  )
  return Batch(
    *(None if leaf is None else axis for leaf, axis in zip(batch, axes, strict=True))
  )
