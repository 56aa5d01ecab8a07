"""Functions of plain arrays that NumPy lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

OWN_ULPS = {"erf": 1.0, "erfc": 1.5, "erfinv": 4.0}
"""The largest errors of the functions here, in units in the last place of float64."""

_erf: np.ufunc = np.frompyfunc(math.erf, 1, 1)
_erfc: np.ufunc = np.frompyfunc(math.erfc, 1, 1)


def erf(a: NDArray[Any]) -> NDArray[Any]:
    """The error function, within 1 unit in the last place of float64."""
    return _special(a, _erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x))


def erfc(a: NDArray[Any]) -> NDArray[Any]:
    """1 - erf(a), within 1.5 units in the last place of float64."""
    return _special(a, _erfc, lambda x: -2 / math.sqrt(math.pi) * np.exp(-x * x))


def erfinv(a: NDArray[Any]) -> NDArray[Any]:
    """The inverse of the error function, within 4 units in the last place of float64; infinite at
    -1 and 1, NaN beyond."""
    return _special(
        a, _erfinv, lambda x: np.sqrt(np.pi) / 2 * np.exp(np.square(np.float64(_erfinv(x))))
    )


def _special(
    a: NDArray[Any],
    function: Callable[[Any], Any],
    slope: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[Any]:
    """A function of float64 at other precisions; `slope` mends arguments wider than float64."""
    near = np.asarray(a, np.float64)
    value = np.asarray(function(near), np.float64)
    if a.dtype == np.longdouble:
        rest = np.asarray(a - near)
        return np.where(rest == 0, value, value + slope(near) * rest)
    return value.astype(a.dtype)


def _inverse_of_erf(y: float) -> float:
    """Halley's method, on the tail where that is the smaller part."""
    size = abs(y)
    if not size < 1.0:
        return math.copysign(math.inf, y) if size == 1.0 else math.nan
    if size < 1e-8:
        return y * (math.sqrt(math.pi) / 2)
    tail = math.log1p(-y * y)
    # Winitzki's closed form, good to 2e-3, starts the iteration.
    half = 2 / (math.pi * 0.147) + tail / 2
    x = math.sqrt(math.sqrt(half * half - tail / 0.147) - half)
    for _ in range(4):
        excess = math.erf(x) - size if size < 0.5 else (1.0 - size) - math.erfc(x)
        step = excess * (math.sqrt(math.pi) / 2) * math.exp(x * x)
        x -= step / (1.0 + x * step)
    return math.copysign(x, y)


_erfinv: np.ufunc = np.frompyfunc(_inverse_of_erf, 1, 1)


def round_half_away(a: NDArray[Any]) -> NDArray[Any]:
    """The nearest whole number, halves away from zero."""
    whole = np.trunc(a)
    return whole + np.copysign(1.0, a) * (np.abs(a - whole) >= 0.5)


def round_bfloat16(a: NDArray[Any]) -> NDArray[np.float32]:
    """float32 values that bfloat16 holds: nearest, ties to even."""
    single = np.asarray(a, np.float32)
    bits = single.view(np.uint32)
    half = ((bits >> np.uint32(16)) & np.uint32(1)) + np.uint32(0x7FFF)
    rounded = ((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(single), single, rounded)


def stack_arrays(
    parts: tuple[Any, ...], axis: int, shape: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Arrays and numbers along a new axis, -1 or -2; numbers take the dtype of the arrays. `shape`
    is that of the result where the parts do not tell."""
    if shape is None:
        single = np.broadcast_shapes(*(part.shape for part in parts if hasattr(part, "shape")))
        at = len(single) + 1 + axis
        shape = (*single[:at], len(parts), *single[at:])
    out = np.empty(shape, np.result_type(*parts))
    for k, part in enumerate(parts):
        if axis == -1:
            out[..., k] = part
        else:
            out[..., k, :] = part
    return out
