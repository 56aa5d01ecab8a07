"""Determinant and inverse of small matrices with error bounds.

Whatever way a backend takes (cofactors, elimination with pivoting), its rounding amounts to small
changes of the matrix. The change of a determinant is covered by that of the permanent of
magnitudes, which has the same products, all positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.bounds.bounded import Bounded, settle
from grammar.bounds.format import Format
from grammar.minors import adjugate, determinant

_where: Any = np.where

_ROUNDINGS = 4
"""Rounding units per row that elimination or expansion may add up to."""


def _disturbed(a: Bounded, format: Format) -> tuple[Any, Any]:
    """Magnitudes of the elements, and these with all that may be added to them; along a new first
    axis. And what a product may lose to underflow."""
    size = np.abs(a.v)
    count = a.v.shape[-1]
    units = _ROUNDINGS * count * format.units_mul
    largest = size.max(axis=(-1, -2), keepdims=True)
    most = size + a.bound + units * largest + format.tiny
    lost = 24 * format.tiny * np.maximum(1.0, most.max(axis=(-1, -2))) ** (count - 1)
    return np.stack((size, most)), lost


def _finite(e: Any, reach: Any, format: Format) -> Any:
    """The bound, infinite where a step on the way may pass the largest number."""
    ok = np.broadcast_to(reach < format.huge, e.shape)
    if np.count_nonzero(ok) == ok.size:
        return e
    format.note("overflow", ~ok & np.isfinite(e))
    return _where(ok, e, np.inf)


def bounded_determinant(a: Bounded) -> Bounded:
    """The determinant."""
    format = a.format
    both, lost = _disturbed(a, format)
    small, large = determinant(both, 1.0)
    e = _finite(large - small + lost, large, format)
    return settle(determinant(a.v), e, format, format.units_mul)


def bounded_inverse(a: Bounded) -> Bounded:
    """The inverse."""
    format = a.format
    both, lost = _disturbed(a, format)
    small, large = determinant(both, 1.0)
    least, greatest = adjugate(both, 1.0)
    divisor = determinant(a.v)
    v = adjugate(a.v, -1.0) / divisor[..., None, None]
    change = (large - small + lost)[..., None, None]
    gap = np.abs(divisor)[..., None, None] - change
    e = ((greatest - least) + lost[..., None, None] + np.abs(v) * change) / gap
    clear = np.broadcast_to(gap > 0, e.shape)
    if np.count_nonzero(clear) != clear.size:
        format.note("pole", ~clear & np.isfinite(a.bound))
        e = _where(clear, e, np.inf)
    reach = np.maximum(large[..., None, None], greatest)
    return settle(v, _finite(e, reach, format), format, 2 * format.units_div)
