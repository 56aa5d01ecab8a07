"""Casts between scalar types, with error bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.bounds.bounded import Bounded, compare, settle
from grammar.bounds.format import Format
from grammar.bounds.known import Known, known
from grammar.types import Scalar, int_limits

_count = np.count_nonzero
_where: Any = np.where

_WIDER = {
    ("f16", "f32"),
    ("f16", "f64"),
    ("bf16", "f32"),
    ("bf16", "f64"),
    ("f32", "f64"),
}


def to_integer(a: Bounded, scalar: Scalar) -> Any:
    """Truncation; certain where no whole number is within reach and the result in range."""
    low, high = int_limits(scalar)
    v = np.trunc(a.v)
    if a.e is None:
        ok = v == v
    else:
        ok = np.trunc(a.v - a.e) == np.trunc(a.v + a.e)
        if _count(ok) != ok.size:
            a.format.note("step", ~ok & np.isfinite(a.e))
    # The largest 64-bit integer is no float: the bounds are powers of two, or exact.
    ok &= (v >= low) & (v < float(high) + (1.0 if high < 2**53 else 0.0))
    if _count(ok) == ok.size:
        return v.astype(scalar.dtype)
    a.format.note("domain", ~ok & np.isfinite(a.bound) & ((v < low) | (v > high)))
    return Known(_where(ok, v, 0).astype(scalar.dtype), ok)


def to_bool(a: Bounded) -> Any:
    """Whether the value is not 0."""
    return compare(np.not_equal, a, 0.0)


def to_float(a: Bounded, target: Format) -> Bounded:
    """Another float type: exact into a wider one."""
    source = a.format
    if (source.scalar.name, target.scalar.name) in _WIDER:
        return Bounded(a.v, a.e, a.mixed, target)
    e = target.zero if a.e is None else a.e
    made = settle(a.v, e, target, target.units_cast)
    if target.exact_cast and a.mixed:
        return _rounded(a.v, e == 0, made)
    return made


def from_integer(v: Any, ok: Any, target: Format) -> Bounded:
    """An integer or truth value as a float."""
    wide = np.asarray(v).astype(target.wide)
    made = settle(wide, target.zero, target, target.units_cast)
    if target.exact_cast:
        made = _rounded(v, np.True_, made)
    elif np.asarray(v).dtype.kind == "b" or not _count(target.round(wide) != wide):
        made = Bounded(wide, None, True, target)
    if ok is not None:
        made = Bounded(made.v, _where(ok, made.bound, np.inf), made.mixed, target)
    return made


def _rounded(v: Any, sure: Any, rough: Bounded) -> Bounded:
    """A cast of exact values, rounded once; where rounding by way of float32 differs, both."""
    target = rough.format
    v = np.asarray(v)
    once = target.round(v)
    wide = once.astype(target.wide)
    if target.scalar.digits < 24:
        sure = sure & (once == target.round(v.astype(np.float32)))
    size = np.abs(wide)
    sure = sure & (size < target.huge)
    if target.flush:
        sure = sure & ((size >= target.normal) | (size == 0))
    if _count(sure) == wide.size:
        return Bounded(wide, None, True, target, once)
    return Bounded(_where(sure, wide, rough.v), _where(sure, 0.0, rough.e), True, target)


def cast(a: Any, scalar: Scalar, target: Format | None) -> Any:
    """Any value in another scalar type, whose format it is if that is a float."""
    if isinstance(a, Bounded):
        if target is not None:
            return to_float(a, target)
        return to_bool(a) if scalar.kind == "bool" else to_integer(a, scalar)
    v, ok = (a.v, a.ok) if isinstance(a, Known) else (a, None)
    if target is not None:
        return from_integer(v, ok, target)
    made = v != 0 if scalar.kind == "bool" else v.astype(scalar.dtype)
    return made if ok is None else known(made, ok)
