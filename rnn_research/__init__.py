"""See inside back-propagation through time."""

__version__ = "0.1.0"
