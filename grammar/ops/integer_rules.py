"""Range rules of the integer rows; see `grammar.ops.rules`."""

from __future__ import annotations

from collections.abc import Callable

from grammar.ops.base import Instance
from grammar.ops.interval import Range
from grammar.types import Scalar, int_limits, scalar_of


def integer(low: int, high: int, scalar: Scalar) -> Range:
    """The range of an integer result: unsigned integers wrap, so it may be the whole type."""
    if scalar.kind == "uint" and (low < 0 or high > int_limits(scalar)[1]):
        return int_limits(scalar)
    return (low, high)


def products(a: Range, b: Range) -> Range:
    """The products of two integers."""
    corners = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return (min(corners), max(corners))


def squares(a: Range) -> Range:
    """The squares of an integer."""
    low, high = a[0] * a[0], a[1] * a[1]
    return (0 if a[0] <= 0 <= a[1] else min(low, high), max(low, high))


def _magnitude(a: Range) -> int:
    return max(abs(a[0]), abs(a[1]))


def _div_trunc(a: Range, b: Range) -> Range:
    if a[0] >= 0 and b[0] > 0:
        return (a[0] // b[1], a[1] // b[0])
    return (-_magnitude(a), _magnitude(a))


def _rem(a: Range, b: Range) -> Range:
    most = _magnitude(b) - 1
    return (max(a[0], -most) if a[0] < 0 else 0, min(a[1], most) if a[1] > 0 else 0)


def _modulo(a: Range, b: Range) -> Range:
    return (min(b[0] + 1, 0), max(b[1] - 1, 0))


def _hull(*ranges: Range) -> Range:
    """The smallest range of whole bits that holds all of them: closed under bit operations."""
    bits = max((~n if n < 0 else n).bit_length() for range_ in ranges for n in range_[:2])
    return (-(1 << bits) if any(range_[0] < 0 for range_ in ranges) else 0, (1 << bits) - 1)


def _bit_and(a: Range, b: Range) -> Range:
    limits = [range_[1] for range_ in (a, b) if range_[0] >= 0]
    return (0, min(limits)) if limits else _hull(a, b)


def _bit_or(a: Range, b: Range) -> Range:
    low, high = _hull(a, b)
    return (max(a[0], b[0]) if low == 0 else low, high)


_MOST_SHIFT = 64


def _shift_left(a: Range, b: Range) -> Range:
    least, most = min(b[0], _MOST_SHIFT), min(b[1], _MOST_SHIFT)
    return (a[0] << (most if a[0] < 0 else least), a[1] << (most if a[1] > 0 else least))


def _shift_right(a: Range, b: Range) -> Range:
    return (a[0] >> (b[0] if a[0] < 0 else b[1]), a[1] >> (b[1] if a[1] < 0 else b[0]))


def _bit_not(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    (a,), scalar = r, scalar_of(instance.result)
    if scalar.kind == "uint":
        most = int_limits(scalar)[1]
        return (most - a[1], most - a[0])
    return (~a[1], ~a[0])


def _binary(
    of: Callable[[Range, Range], Range],
) -> Callable[[tuple[Range, ...], Instance, int], Range]:
    def rule(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
        low, high = of(r[0], r[1])
        return integer(low, high, scalar_of(instance.result))

    return rule


INTEGER_RULES: dict[str, Callable[[tuple[Range, ...], Instance, int], Range]] = {
    "div_trunc": _binary(_div_trunc),
    "rem": _binary(_rem),
    "div_floor": _binary(_div_trunc),
    "modulo": _binary(_modulo),
    "bit_and": _binary(_bit_and),
    "bit_or": _binary(_bit_or),
    "bit_xor": _binary(_hull),
    "bit_not": _bit_not,
    "shift_left": _binary(_shift_left),
    "shift_right": _binary(_shift_right),
}
