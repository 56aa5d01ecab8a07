"""Rows as training data."""
