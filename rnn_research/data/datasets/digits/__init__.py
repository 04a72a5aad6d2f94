"""Handwritten digits: builder, description, source."""
