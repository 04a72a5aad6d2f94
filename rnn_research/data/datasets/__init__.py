"""Builders of prepared data sets, one folder each."""
