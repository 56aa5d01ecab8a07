"""Reverse mode as a transformation of programs."""

from grammar.gradient.transform import gradient
from grammar.gradient.units import Gradient

__all__ = ["Gradient", "gradient"]
