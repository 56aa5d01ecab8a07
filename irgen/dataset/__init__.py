"""Data sets. `docs/datasets.md` says how to use them, `docs/design.md` how they are made.

The files here are what all parts share; then come `planning`, `building`, `documents`, `training`
and `checking`. `english` describes a program in words.
"""
