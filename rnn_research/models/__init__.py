"""Models as Flax modules: the only folder that knows Flax."""

from rnn_research.models.bidirectional import MERGES, Bidirectional
from rnn_research.models.build import MODELS, build, make_cell, make_initial
from rnn_research.models.classifier import POOLINGS, Classifier
from rnn_research.models.collections import by_layer, make_taps, make_traces
from rnn_research.models.encoder_decoder import EncoderDecoder
from rnn_research.models.generator import Generator
from rnn_research.models.recurrent import LayerOutput, Recurrent
from rnn_research.models.stacked import Stacked
from rnn_research.models.tagger import Tagger

__all__ = [
  "Bidirectional",
  "Classifier",
  "EncoderDecoder",
  "Generator",
  "LayerOutput",
  "MERGES",
  "MODELS",
  "POOLINGS",
  "Recurrent",
  "Stacked",
  "Tagger",
  "build",
  "by_layer",
  "make_cell",
  "make_initial",
  "make_taps",
  "make_traces",
]
