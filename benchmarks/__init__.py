"""Measurements of speed and of what compiles; run from the checkout."""
