"""Passes: pure functions from programs to programs, or from units to units."""
