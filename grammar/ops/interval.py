"""Value ranges: what is known of a value while a program is generated. Plain tuples, no libm.

An integer's range is `(low, high)`; bool counts as 0 and 1. A float's is `(low, high, sign)`:
2**low <= abs(x) <= 2**high, where low is `ZERO` when x may be 0, and sign is 1 when x is known not
to be negative, else 0. A vector's or matrix's range holds for every component; a matrix's sign is
`DOMINANT` when in every row, or in every column, the diagonal element exceeds the sum of the
other magnitudes by at least 1, so that it is safe to invert.
"""

from __future__ import annotations

from functools import lru_cache
from math import frexp

from grammar.types import BF16, F16, SCALARS, Element, Scalar, Type, int_limits, scalar_of

Range = tuple[int, ...]

ZERO = -1_000_000
"""The `low` of a float that may be 0."""
FLOOR = -14
"""Smaller magnitudes are not told from 0: the smallest normal exponent of half precision."""
TINY = -24
"""No magnitude is bounded below this exponent, that of half precision's smallest number."""
DOMINANT = 2

TRUTH: Range = (0, 1)


def _full(scalar: Scalar) -> Range:
    low, high = int_limits(scalar)
    match scalar.kind:
        case "float":
            return (ZERO, 11 if scalar in (F16, BF16) else 17, 0)
        case "int":
            most = min(high, 1 << {32: 24, 64: 40}.get(scalar.bits, 64))
            return (-most, most)
        case "uint" | "bool":
            return (low, high)


_FULL = {scalar: _full(scalar) for scalar in SCALARS}


def full(type_: Type) -> Range:
    """The widest range that a value of this type may have."""
    return _FULL[type_ if isinstance(type_, Scalar) else scalar_of(type_)]


def real(low: int, high: int, sign: int) -> Range:
    """A float's range, small magnitudes taken for 0."""
    return (low if low >= FLOOR else ZERO, high if high > TINY else TINY, sign)


@lru_cache(maxsize=4096)
def constant(type_: Element, value: float) -> Range:
    """The range of a literal."""
    if scalar_of(type_).kind != "float":
        return (int(value), int(value))
    if value == 0:
        return (ZERO, TINY, 1)
    fraction, exponent = frexp(abs(value))
    high = exponent - 1 if fraction == 0.5 else exponent
    return real(exponent - 1, high, int(value > 0))


def join(a: Range, b: Range) -> Range:
    """The smallest range that holds both."""
    low = a[0] if a[0] < b[0] else b[0]
    high = a[1] if a[1] > b[1] else b[1]
    if len(a) == 2:
        return (low, high)
    return (low, high, a[2] if a[2] == b[2] else 0)


def inside(a: Range, b: Range) -> bool:
    """Whether every value of range `a` is in range `b`."""
    return a[0] >= b[0] and a[1] <= b[1] and (len(a) == 2 or b[2] == 0 or a[2] == b[2])


def fits(type_: Type, a: Range) -> bool:
    """Whether a value with this range may be kept in this type."""
    return inside(a, full(type_))
