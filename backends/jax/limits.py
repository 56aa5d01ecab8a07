"""Where JAX is known to compute a wrong gradient, or none.

It is empty: none was found. What JAX's rules say at kinks and ties is a convention, and points
there are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.base import Limitation

if TYPE_CHECKING:
    from grammar.program import Program

LIMITATIONS: dict[str, Limitation] = {}
"""Limitations by name."""


def limitations(program: Program) -> tuple[Limitation, ...]:
    """The limitations that may make a gradient of the program wrong: none."""
    del program
    return ()
