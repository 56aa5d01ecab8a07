"""Arrays as literals of Python: exact, and as short as that allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends import surface as s
from grammar.types import Scalar

NP = s.Name("np")

SHARE = 64
"""An expected value may be off by this share of its bound, which is then made wider by as much."""


def np_call(name: str, *arguments: s.Expr) -> s.Call:
    """A call of a function of NumPy."""
    return s.Call(s.Attribute(NP, name), arguments)


def number(value: float | int | bool) -> s.Expr:
    """A number, a truth value, infinity or NaN."""
    if isinstance(value, bool):
        return s.Literal(str(value))
    if math.isnan(value):
        return s.Attribute(NP, "nan")
    if math.copysign(1, value) < 0:
        return s.Unary("-", number(-value))
    return s.Attribute(NP, "inf") if math.isinf(value) else s.Literal(repr(value))


def extents(shape: Sequence[int]) -> s.Expr:
    """A shape as NumPy and Warp take it: one extent, or a tuple."""
    sizes = tuple([s.Literal(str(extent)) for extent in shape])
    return sizes[0] if len(sizes) == 1 else s.Tuple(sizes)


def listed(array: NDArray[Any], scalar: Scalar) -> s.Expr:
    """An array of a scalar type as nested lists of numbers; all equal, as `np.full`."""
    flat = [shortest(value, scalar) for value in array.ravel()]
    if len(flat) > 4 and len(set(map(repr, flat))) == 1:
        if repr(flat[0]) == "0.0":
            return np_call("zeros", extents(array.shape))
        return np_call("full", extents(array.shape), number(flat[0]))
    return nested(flat, array.shape)


def nested(flat: Sequence[float | int | bool], shape: Sequence[int]) -> s.Expr:
    """Numbers in C order as nested lists."""
    if not shape:
        return number(flat[0])
    step = len(flat) // shape[0]
    rows = [nested(flat[at : at + step], shape[1:]) for at in range(0, len(flat), step)]
    return s.List(tuple(rows))


def shortest(value: Any, scalar: Scalar) -> float | int | bool:
    """The shortest number that is the value once it is converted to the type; bfloat16 comes as
    float32."""
    if scalar.kind != "float":
        return value.item()
    kind = np.dtype("float32" if scalar.name == "bf16" else scalar.dtype).type
    short = float(str(kind(value)))
    same = kind(short) == kind(value) or math.isnan(short)
    return short if same else float(value)


def expected(values: NDArray[Any], bounds: NDArray[Any]) -> tuple[list[float], list[float]]:
    """Reference values and their bounds as short numbers: a value moves by a small share of its
    bound, and the bound covers that."""
    pairs = [
        _pair(value, bound) for value, bound in zip(values.ravel(), bounds.ravel(), strict=True)
    ]
    return [value for value, _ in pairs], [bound for _, bound in pairs]


def _pair(value: Any, bound: Any) -> tuple[float, float]:
    held = float(value)
    if not math.isfinite(held) or not np.isfinite(bound):
        return held, float(bound)
    texts = (f"{held:.{digits}g}" for digits in range(3, 17))
    near = (text for text in texts if abs(float(text) - value) <= bound / SHARE)
    shown = float(next(near, repr(held)))
    return shown, _rounded_up(float(bound + abs(shown - value)))


def _rounded_up(bound: float) -> float:
    """A bound with two digits, no smaller than it is; the tiniest stay."""
    if bound < 1e-290:
        return bound
    ulp = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return float(f"{math.ceil(bound / ulp) * ulp:.2g}")


def one_bound(values: Sequence[float], bounds: Sequence[float]) -> float | None:
    """The bound that can stand for those of all elements: it is far below every one of them. None
    where they differ too much."""
    largest = max(bounds)
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    same = len(set(bounds)) == 1
    return largest if same or largest <= 1e-3 * min([*sizes, 1.0]) else None
