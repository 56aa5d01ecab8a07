"""How array ops move the ranges of their elements (see `grammar.ops.interval`)."""

from __future__ import annotations

from collections.abc import Callable

from grammar.ops.interval import ZERO, Range, join, real
from grammar.program import Attribute
from grammar.types import Array

Types = tuple[Array, ...]
ArrayRule = Callable[[tuple[Range, ...], Types, Attribute], Range]


def _bits(count: int) -> int:
    """The exponent that a sum of so many equal terms grows by."""
    return (count - 1).bit_length()


def _along(types: Types, attribute: Attribute) -> int:
    """How many elements lie along the axis in the attribute."""
    assert isinstance(attribute, int)
    return types[0].shape[attribute]


def total(a: Range, count: int) -> Range:
    """The sum of so many floats."""
    if a[2] == 1:
        return real(a[0], a[1] + _bits(count) + 1, 1)
    return (ZERO, a[1] + _bits(count) + 1, 0)


def products(a: Range, b: Range, count: int) -> Range:
    """The sum of so many products of two floats."""
    sign = int(a[2] == 1 and b[2] == 1)
    low = a[0] + b[0] if a[0] > ZERO and b[0] > ZERO else ZERO
    return total(real(low, a[1] + b[1], sign), count)


def _same(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return r[0]


def _join(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return join(r[0], r[1])


def _with_zero(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    if len(r[0]) == 2:
        return join(r[0], (0, 0))
    return (ZERO, r[0][1], r[0][2])


def _sum(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return total(r[0], _along(types, attribute))


def _rows(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return (ZERO, *total(r[0], types[0].shape[0])[1:])


def _mean(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    a = r[0]
    return real(a[0] - 1, a[1] + 1, 1) if a[2] == 1 else (ZERO, a[1] + 1, 0)


def _product(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    count = _along(types, attribute)
    low, high, sign = r[0]
    return real(min(0, low * count), max(0, high * count) + 1, sign)


def _variance(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return (ZERO, 2 * (r[0][1] + 1), 1)


def _matmul(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return products(r[0], r[1], types[0].shape[-1])


def _outer(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return products(r[0], r[1], 1)


def _convolution(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    width, channels, _ = types[1].shape
    return (ZERO, products(r[0], r[1], width * channels)[1], 0)


def _place(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    assert isinstance(attribute, int)
    return (0, types[0].shape[attribute] - 1)


def _one(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return (ZERO, 0, 1)


def _logarithm(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    """Up to twice the largest magnitude and the logarithm of an extent, below 16."""
    return (ZERO, max(r[0][1] + 1, 4) + 1, 0)


def _norm(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    """A normed element is at most the root of the extent."""
    scaled = (_bits(types[0].shape[-1]) + 1) // 2 + r[1][1] + 1
    return (ZERO, max(scaled, r[2][1]) + 1 if len(r) == 3 else scaled, 0)


def _mixture(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return (ZERO, r[2][1] + 1, r[2][2])


def _difference(r: tuple[Range, ...], types: Types, attribute: Attribute) -> Range:
    return (ZERO, 2 * (max(r[0][1], r[1][1]) + 1) + 1, 1)


ARRAY_RULES: dict[str, ArrayRule] = {
    "convolution": _convolution,
    "difference": _difference,
    "join": _join,
    "logarithm": _logarithm,
    "matmul": _matmul,
    "mean": _mean,
    "mixture": _mixture,
    "norm": _norm,
    "one": _one,
    "outer": _outer,
    "place": _place,
    "product": _product,
    "rows": _rows,
    "same": _same,
    "sum": _sum,
    "variance": _variance,
    "with_zero": _with_zero,
}
"""Rules by the name that an op's row gives in `range`."""
