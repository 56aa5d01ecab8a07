"""Survivors that are no weakness, each with the argument."""

from __future__ import annotations

from collections.abc import Mapping

ARGUED: Mapping[str, str] = {}
"""Why no program can kill a mutant, by its name."""
