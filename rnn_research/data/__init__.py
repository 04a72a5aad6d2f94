"""Real data: prepared once, read in a seeded order, never downloaded."""

from rnn_research.data.catalogue import DATASETS, load
from rnn_research.data.dataset import Dataset

__all__ = ["DATASETS", "Dataset", "load"]
