"""Where JAX is known to compute a wrong gradient, or none: named, with the upstream reference.

What JAX's rules say at kinks and ties is a convention, and points there are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.base import Limitation
from grammar.passes.kernels import to_kernels
from grammar.program import statements

if TYPE_CHECKING:
    from grammar.program import Program

LIMITATIONS: dict[str, Limitation] = {
    "norm_at_zero": Limitation(
        "norm_at_zero",
        "jax",
        "The slope of a distance is not a number where the points are equal. Both sides of a branch"
        " and masked rounds of a loop are differentiated, and a cotangent of zero times that is"
        " not a number either.",
        "https://docs.jax.dev/en/latest/faq.html#gradients-contain-nan-where-using-where",
    ),
}
"""Limitations by name."""

_SLOPELESS = frozenset(("distance",))
"""Ops whose slope is not finite at points that their domain allows."""


def limitations(program: Program) -> tuple[Limitation, ...]:
    """The limitations that may make a gradient of the program wrong."""
    used = {statement.op for statement in statements(to_kernels(program))}
    return (LIMITATIONS["norm_at_zero"],) if used & _SLOPELESS else ()
