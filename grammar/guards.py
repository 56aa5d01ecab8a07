"""Which ranges the generator assumes and keeps, and the expressions that bring values into them.

Guards are expressions in the op vocabulary over the operand `a`, simplest first.
"""

from __future__ import annotations

from functools import cache, lru_cache

from grammar import ranges
from grammar.ranges import ZERO, Range
from grammar.types import Element, Scalar, Vector, int_limits, scalar_of

INPUT_EXPONENT = 2
"""Float inputs lie in [-4, 4]."""


@cache
def inputs(type_: Element) -> Range:
    """The range of a program's inputs, by type: what callers promise, and the generator assumes.

    Floats lie in [-4, 4], signed integers in [-8, 8], unsigned ones in [0, 15].
    """
    scalar = scalar_of(type_)
    match scalar.kind:
        case "float":
            return (ZERO, INPUT_EXPONENT, 0)
        case "int":
            return (-8, 8)
        case "uint":
            return (0, 15)
        case "bool":
            return (0, 1)


@lru_cache(maxsize=4096)
def bring(type_: Element, known: Range, into: Range) -> tuple[str, ...]:
    """Guards that bring a value into a range, which for floats is a symmetric one."""
    if scalar_of(type_).kind != "float":
        low, high = into[:2]
        return (f"clamp(a, {low}, {high})",)
    exponent = into[1]
    if not isinstance(type_, Scalar):
        scale = "scale" if isinstance(type_, Vector) else "matrix_scale"
        return (f"{scale}({_power(exponent - known[1])}, a)",)
    limit = _power(exponent)
    choices = (f"clamp(a, -{limit}, {limit})",)
    return (*choices, "tanh(a)", "sin(a)") if exponent >= 0 else choices


def _power(exponent: int) -> str:
    return repr(float(1 << exponent)) if exponent >= 0 else repr(1.0 / (1 << -exponent))


@lru_cache(maxsize=1024)
def carried(type_: Element, initial: Range) -> Range:
    """The range a loop-carried value keeps, given where it starts."""
    scalar = scalar_of(type_)
    whole = ranges.full(type_)
    match scalar.kind:
        case "float":
            return (ZERO, max(min(6, whole[1]), min(initial[1] + 1, whole[1])), 0)
        case "int":
            limit = min(255, int_limits(scalar)[1] // 2)
            return (-limit, limit)
        case "uint" | "bool":
            return whole


def sum_stays(type_: Element, initial: Range, term: Range, rounds: int, keeps: Range) -> bool:
    """Whether adding the term in every round keeps a carried value in its range."""
    if scalar_of(type_).kind == "float":
        # 2**initial + rounds * 2**term <= 2**keeps, without leaving the exponents.
        growth = term[1] + max(0, (rounds - 1).bit_length())
        return max(initial[1], growth) + 1 <= keeps[1]
    low = initial[0] + rounds * min(0, term[0])
    high = initial[1] + rounds * max(0, term[1])
    return ranges.inside((low, high), keeps)


def addend(scalar: Scalar) -> Range:
    """The range of what one lane adds to a shared cell, so that all lanes' sum fits."""
    return (ZERO, 4, 0) if scalar.kind == "float" else (-1023, 1023)
